// A browser without script: it follows redirects, keeps cookies, and fills in the forms that a person would.

const MOST_PAGES = 20;

/** A person at a browser, who knows a user name and a password and agrees to everything. */
export class Walker {
  #cookies = new Map();
  #known;

  constructor(username, password) {
    this.#known = { username, password };
  }

  /** Opens an authorization URL and walks on until the answer for `redirectUri` comes; returns that address. */
  async authorize(url, redirectUri) {
    let request = { url: new URL(url), method: "GET" };
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const response = await this.#send(request);
      if (response.status >= 300 && response.status < 400) {
        const target = new URL(response.headers.get("location"), request.url);
        if (target.href.startsWith(redirectUri)) return target;
        request = { url: target, method: "GET" };
      } else {
        request = this.#submit(request.url, response.status, await response.text());
      }
    }
    throw new Error(`no answer after ${MOST_PAGES} pages`);
  }

  async #send({ url, method, body }) {
    const headers = { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
    if (method === "POST") headers.origin = url.origin;
    const response = await fetch(url, { method, body, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      if (/;\s*max-age=0/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }

  #submit(url, status, page) {
    const form = status === 200 ? firstForm(page) : undefined;
    if (!form) throw new Error(`status ${status} without a way on at ${url}:\n${page}`);
    for (const [name, value] of Object.entries(this.#known)) if (form.fields.has(name)) form.fields.set(name, value);
    const target = new URL(form.action, url);
    if (form.method === "POST") return { url: target, method: "POST", body: form.fields };
    target.search = form.fields.toString();
    return { url: target, method: "GET" };
  }
}

/** The first form of a page, filled as it comes, with its first submit button pressed: that one means yes. */
function firstForm(page) {
  const found = page.match(/<form\b([^>]*)>([\s\S]*?)<\/form>/i);
  if (!found) return undefined;
  const { action = "", method = "get" } = attributes(found[1]);
  const fields = new URLSearchParams();
  let pressed = false;
  for (const [, tag, text] of found[2].matchAll(/<(input|button)\b((?:"[^"]*"|'[^']*'|[^>"'])*)>/gi)) {
    const { name, value = "", type = tag.toLowerCase() === "button" ? "submit" : "text", ...others } = attributes(text);
    if (type === "submit") {
      if (!pressed && name) fields.set(name, value);
      pressed = true;
    } else if (name && type !== "button" && (!["checkbox", "radio"].includes(type) || "checked" in others)) {
      fields.append(name, value);
    }
  }
  return { action, method: method.toUpperCase(), fields };
}

function attributes(text) {
  const found = {};
  for (const [, name, double, single, bare] of text.matchAll(/([\w:-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g)) {
    found[name.toLowerCase()] = unescape(double ?? single ?? bare ?? "");
  }
  return found;
}

function unescape(text) {
  const named = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(amp|lt|gt|quot|apos));/gi, (_, hex, decimal, name) =>
    name ? named[name.toLowerCase()] : String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal)),
  );
}
