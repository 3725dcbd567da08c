// The login of an application with a server of its own, by openid-client: tokens never reach the browser.

import * as openid from "openid-client";

import { confirmStepUp, type Requirement, stepUpParameters } from "../../shared/step-up";
import { keep, kept } from "./sealed";

const REDIRECT_URI = "http://localhost:3000/callback";
export const API = "https://api.example/";

let discovered: Promise<openid.Configuration> | undefined;

function provider(): Promise<openid.Configuration> {
  const { ISSUER = "https://id.example", CLIENT_SECRET = "" } = process.env;
  discovered ??= openid.discovery(new URL(ISSUER), "shop-next", CLIENT_SECRET);
  discovered.catch(() => (discovered = undefined)); // the next request tries again
  return discovered;
}

interface Away {
  state: string;
  nonce: string;
  verifier: string;
  returnTo: string;
  asked?: Requirement;
}

/** The access token of who is signed in. */
export async function accessToken(): Promise<string | undefined> {
  return (await kept<{ access_token: string }>("session"))?.access_token;
}

/** Where the browser goes to sign in, or to prove more. */
export async function beginSignIn(returnTo: string, asked?: Requirement): Promise<string> {
  const config = await provider();
  const [state, nonce, verifier] = [openid.randomState(), openid.randomNonce(), openid.randomPKCECodeVerifier()];
  await keep("away", { state, nonce, verifier, returnTo, ...(asked && { asked }) } satisfies Away, 900);
  const { acr_values, max_age } = asked ? stepUpParameters(asked) : {};
  return openid.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: "openid profile orders payments",
    resource: API,
    state,
    nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...(acr_values && { acr_values }),
    ...(max_age !== undefined && { max_age: String(max_age) }),
  }).href;
}

/** Takes the answer, and says where the user was. */
export async function finishSignIn(answer: URL): Promise<string> {
  const away = await kept<Away>("away");
  if (!away) throw new Error("this sign-in was not begun here, or too long ago");
  const { state, nonce, verifier, returnTo, asked } = away;
  const tokens = await openid.authorizationCodeGrant(await provider(), answer, {
    expectedState: state,
    expectedNonce: nonce,
    pkceCodeVerifier: verifier,
    idTokenExpected: true,
  });
  if (asked) confirmStepUp(tokens.claims() as { acr?: string; auth_time?: number } | undefined, asked);
  await keep("session", { access_token: tokens.access_token }, tokens.expiresIn() ?? 300);
  return returnTo;
}
