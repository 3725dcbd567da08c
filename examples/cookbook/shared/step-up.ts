// A step-up, as a client sees it: what an API wants proven, whether a login is enough, and how to ask for more (RFC 9470).

/** Two factors of different kinds. */
export const MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
/** A factor that cannot be phished. */
export const PHISHING_RESISTANT = "phr";

/** What must be proven: one of these classes, the preferred one first, and not more seconds ago than this. */
export interface Requirement {
  acrValues: readonly string[];
  maxAge?: number;
}

/** The claims of an ID token that say how its user signed in (OpenID Connect Core §2). */
export interface Login {
  acr?: string;
  auth_time?: number;
}

/** What is read of an answer: that of `fetch`, or of any other client. */
export interface Answer {
  status: number;
  headers: { get(name: string): string | null };
}

/** More must be proven than there is. */
export class StepUpNeeded extends Error {
  constructor(readonly requirement: Requirement) {
    super("a stronger or a more recent login is needed");
    this.name = "StepUpNeeded";
  }
}

/** The user came back, and it was not enough: asking again would lead in circles. */
export class StepUpFailed extends Error {
  constructor(readonly requirement: Requirement) {
    super("the login is still not what was asked for");
    this.name = "StepUpFailed";
  }
}

/**
 * Whether a login is enough. Only the API decides; a page asks so that its user does not fill in a form in vain.
 * `now` is in seconds.
 */
export function meets(login: Login | undefined, { acrValues, maxAge }: Requirement, now = Date.now() / 1000): boolean {
  if (acrValues.length > 0 && !acrValues.includes(login?.acr ?? "")) return false;
  return maxAge === undefined || (login?.auth_time !== undefined && now - login.auth_time <= maxAge);
}

/** What the API asks for (RFC 9470 §3); nothing where it answered something else. */
export function requirementOf({ status, headers }: Answer): Requirement | undefined {
  if (status !== 401) return undefined;
  const { error, acr_values, max_age } = bearerChallenge(headers.get("www-authenticate") ?? "");
  if (error !== "insufficient_user_authentication") return undefined;
  const acrValues = (acr_values ?? "").split(" ").filter(Boolean);
  return /^\d+$/.test(max_age ?? "") ? { acrValues, maxAge: Number(max_age) } : { acrValues };
}

/** The members of the challenge for bearer tokens (RFC 9110 §11.6.1), names in lower case. */
function bearerChallenge(header: string): Record<string, string> {
  const members: Record<string, string> = {};
  let scheme = "";
  const parts = /([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~-]+)))?/g;
  for (const [text, name = "", quoted, token] of header.matchAll(parts)) {
    if (!text.includes("=")) scheme = name.toLowerCase();
    else if (scheme === "bearer") members[name.toLowerCase()] = quoted?.replace(/\\(.)/g, "$1") ?? token ?? "";
  }
  return members;
}

/** The parameters of the authorization request that asks for it (RFC 9470 §4). */
export function stepUpParameters({ acrValues, maxAge }: Requirement): { acr_values?: string; max_age?: number } {
  return {
    ...(acrValues.length > 0 && { acr_values: acrValues.join(" ") }),
    ...(maxAge !== undefined && { max_age: maxAge }),
  };
}

/** Calls an API with an access token. Throws {@link StepUpNeeded} where it asks for one. */
export async function callApi(url: string, accessToken: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${accessToken}`);
  const response = await fetch(url, { ...init, headers });
  const requirement = requirementOf(response);
  if (requirement) throw new StepUpNeeded(requirement);
  return response;
}

/** Looks at the ID token that a step-up brought. Throws {@link StepUpFailed} where it is not what was asked for. */
export function confirmStepUp(login: Login | undefined, asked: Requirement): void {
  if (!meets(login, asked)) throw new StepUpFailed(asked);
}

/** What to tell a user who came back with an error (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6). */
export function explain(error: string): string {
  switch (error) {
    case "unmet_authentication_requirements":
      return "This needs a second factor that your account does not have. Set one up in your account, then try again.";
    case "access_denied":
      return "You were not signed in, so nothing was done.";
    case "login_required":
    case "interaction_required":
    case "consent_required":
      return "Sign in again to go on."; // what was tried without asking the user must be tried with asking
    case "temporarily_unavailable":
      return "Signing in does not work at the moment. Try again in a minute.";
    default:
      return "Signing in failed. Try again.";
  }
}
