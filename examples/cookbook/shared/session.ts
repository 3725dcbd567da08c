// The login of a page without a server of its own, by oidc-client-ts; React, Vue and Angular share it.

import { UserManager } from "oidc-client-ts";

import { callApi, confirmStepUp, type Requirement, StepUpNeeded, stepUpParameters } from "./step-up";

const API = "https://api.example/";

export const session = new UserManager({
  authority: "http://localhost:4000",
  client_id: "shop",
  redirect_uri: "http://localhost:5173/callback",
  scope: "openid profile orders payments",
  resource: API, // the access token is for this API (RFC 8707)
});

/** What is kept while the user is away. */
interface Away {
  returnTo: string;
  asked: Requirement;
}

/** Leads the user away to sign in, or to prove more; the page is left. */
export async function signIn(asked: Requirement = { acrValues: [] }): Promise<void> {
  const state: Away = { returnTo: location.pathname, asked };
  await session.signinRedirect({ ...stepUpParameters(asked), state });
}

/** At the redirect URI: takes the answer, and says where the user was. */
export async function finishSignIn(): Promise<string> {
  const user = await session.signinCallback(); // throws an ErrorResponse: `explain(error.error)` is for its reader
  const { returnTo, asked } = user?.state as Away;
  confirmStepUp(user?.profile, asked);
  return returnTo;
}

/** The access token of who is signed in. Throws {@link StepUpNeeded} where nobody is: any login will do. */
export async function accessToken(): Promise<string> {
  const user = await session.getUser();
  if (!user || user.expired) throw new StepUpNeeded({ acrValues: [] });
  return user.access_token;
}

/** Pays. Throws {@link StepUpNeeded} where the API wants more than a password. */
export async function pay(amount: number): Promise<void> {
  const response = await callApi(`${API}payments`, await accessToken(), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ amount }),
  });
  if (!response.ok) throw new Error(`the API answered ${response.status}`);
}
