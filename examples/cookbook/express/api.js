// An API that checks access tokens by itself (RFC 9068), and asks for a step-up where a payment is large (RFC 9470).

import express from "express";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { ISSUER = "http://localhost:4000", AUDIENCE = "https://api.example/", PORT = "8081" } = process.env;

/** Two factors, or one that cannot be phished; proven within the last five minutes. */
const FRESH_MFA = { acrValues: ["http://schemas.openid.net/pape/policies/2007/06/multi-factor", "phr"], maxAge: 300 };

const metadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json();
if (metadata.issuer !== ISSUER) throw new Error(`${ISSUER} calls itself ${metadata.issuer}`);
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));

/**
 * Answers that the token will not do (RFC 6750 §3).
 * @param {express.Response} response
 * @param {number} status
 * @param {Record<string, string>} members
 */
function challenge(response, status, members) {
  const said = Object.entries(members).map(([name, value]) => `${name}="${value}"`);
  response.set("WWW-Authenticate", `Bearer ${said.join(", ")}`.trim());
  response.set("Access-Control-Expose-Headers", "WWW-Authenticate"); // a page of another origin must read it
  response.status(status).json(members);
}

/**
 * Lets requests through whose token is for this API and has this scope; its claims are in `response.locals.token`.
 * @param {string} scope
 * @returns {express.RequestHandler}
 */
function requires(scope) {
  return async (request, response, next) => {
    const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(request.get("authorization") ?? "") ?? [];
    if (!token) return challenge(response, 401, {});
    try {
      const options = { issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt", algorithms: ["ES256"] };
      const { payload } = await jwtVerify(token, keys, { ...options, requiredClaims: ["exp", "sub"] });
      const scopes = typeof payload.scope === "string" ? payload.scope.split(" ") : [];
      if (!scopes.includes(scope)) return challenge(response, 403, { error: "insufficient_scope", scope });
      response.locals.token = payload;
      next();
    } catch (problem) {
      // Only what is wrong with the token is its sender's fault.
      const bad = problem instanceof errors.JOSEError && !["ERR_JOSE_GENERIC", "ERR_JWKS_TIMEOUT"].includes(problem.code);
      if (bad) challenge(response, 401, { error: "invalid_token" });
      else response.status(503).json({ error: "temporarily_unavailable" });
    }
  };
}

/**
 * Whether a token tells of such a login; otherwise answers what to ask for (RFC 9470 §3).
 * @param {express.Response} response
 * @param {{ acrValues: string[], maxAge: number }} requirement
 */
function proves(response, { acrValues, maxAge }) {
  const { acr, auth_time } = response.locals.token;
  const age = Date.now() / 1000 - auth_time; // no number where there is no `auth_time`
  if (acrValues.includes(acr) && age >= -60 && age <= maxAge) return true;
  challenge(response, 401, {
    error: "insufficient_user_authentication",
    error_description: "a payment of this size takes a second factor, proven within five minutes",
    acr_values: acrValues.join(" "),
    max_age: String(maxAge),
  });
  return false;
}

const app = express();
app.use(express.json());

app.get("/orders", requires("orders"), (_request, response) => {
  response.json({ orders: [], of: response.locals.token.sub });
});

app.post("/payments", requires("payments"), (request, response) => {
  const { amount } = request.body ?? {};
  if (!Number.isFinite(amount) || amount <= 0) return response.status(400).json({ error: "no amount" });
  if (amount > 100 && !proves(response, FRESH_MFA)) return;
  response.json({ paid: amount, by: response.locals.token.sub });
});

const server = app.listen(Number(PORT), "127.0.0.1", () => {
  const address = server.address();
  console.log(`listening on http://127.0.0.1:${typeof address === "object" ? address?.port : address}`);
});
