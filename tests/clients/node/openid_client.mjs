// A relying party made of openid-client: it knows OpenID Connect, and nothing of the server it talks to.
//
// Each function is one claim. The last line printed is a JSON object of what was seen; any claim that fails ends it with 1.

import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import * as openid from "openid-client";

import { Walker } from "./walk.mjs";

const SCOPE = "openid profile email offline_access";
const METHODS = {
  client_secret_basic: openid.ClientSecretBasic,
  client_secret_post: openid.ClientSecretPost,
  none: () => openid.None(),
  private_key_jwt: () => openid.PrivateKeyJwt(signing_key),
};

const settings = JSON.parse(await text(process.stdin));
const walker = new Walker(settings.username, settings.password);
const signing_key = settings.private_key && {
  key: await crypto.subtle.importKey("jwk", settings.private_key, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]),
  kid: settings.private_key.kid,
};

async function discovery_is_consistent() {
  const authentication = METHODS[settings.method](settings.client_secret);
  // Plain HTTP is for loopback alone; signatures of ID tokens are checked all the same.
  const execute = [openid.allowInsecureRequests, openid.enableNonRepudiationChecks];
  const config = settings.register
    ? await a_client_registers_itself(authentication, execute)
    : await openid.discovery(new URL(settings.issuer), settings.client_id, undefined, authentication, { execute });
  const server = config.serverMetadata();
  assert.equal(server.issuer, settings.issuer);
  assert.ok(server.supportsPKCE("S256"));
  assert.equal(server.authorization_response_iss_parameter_supported, true);
  assert.ok(server.token_endpoint_auth_methods_supported.includes(settings.method));
  return config;
}

/** Registers a client of the method that is asked for (RFC 7591), which looks after its registration (RFC 7592). */
async function a_client_registers_itself(authentication, execute) {
  const metadata = {
    client_name: "A client that registers itself",
    redirect_uris: [settings.redirect_uri],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: settings.method,
    ...settings.register,
  };
  const config = await openid.dynamicClientRegistration(new URL(settings.issuer), metadata, authentication, { execute });
  const client = config.clientMetadata();
  assert.equal(client.token_endpoint_auth_method, settings.method);
  const headers = { authorization: `Bearer ${client.registration_access_token}` };
  const read = await fetch(client.registration_client_uri, { headers });
  assert.equal(read.status, 200);
  assert.equal((await read.json()).client_id, client.client_id);
  settings.registration = { uri: client.registration_client_uri, headers };
  return config;
}

/** Deletes what was registered: nothing of it works any more. */
async function a_deleted_client_is_gone(config, tokens) {
  const { uri, headers } = settings.registration;
  assert.equal((await fetch(uri, { method: "DELETE", headers })).status, 204);
  assert.equal((await fetch(uri, { headers })).status, 401);
  await assert.rejects(openid.refreshTokenGrant(config, tokens.refresh_token), { status: 401 });
  await assert.rejects(openid.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
}

/** A fresh authorization answer, with the checks that belong to it. */
async function authorize(config) {
  const checks = {
    pkceCodeVerifier: openid.randomPKCECodeVerifier(),
    expectedState: openid.randomState(),
    expectedNonce: openid.randomNonce(),
    idTokenExpected: true,
  };
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: settings.redirect_uri,
    scope: SCOPE,
    prompt: "consent",
    code_challenge: await openid.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: "S256",
    state: checks.expectedState,
    nonce: checks.expectedNonce,
  });
  return [await walker.authorize(url, settings.redirect_uri), checks];
}

async function code_flow_yields_a_valid_id_token(config) {
  const [answer, checks] = await authorize(config);
  assert.equal(answer.searchParams.get("iss"), settings.issuer);
  const tokens = await openid.authorizationCodeGrant(config, answer, checks);
  assert.ok(tokens.expiresIn() > 0 && tokens.refresh_token);
  assert.ok(tokens.claims().at_hash);
  return tokens;
}

async function an_answer_for_another_request_is_noticed(config) {
  const [answer, checks] = await authorize(config);
  await assert.rejects(openid.authorizationCodeGrant(config, answer, { ...checks, expectedState: openid.randomState() }));
  answer.searchParams.set("iss", "https://attacker.example");
  await assert.rejects(openid.authorizationCodeGrant(config, answer, checks));
}

async function userinfo_agrees_with_the_id_token(config, tokens) {
  const info = await openid.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  assert.equal(info.email_verified, true);
  return info;
}

async function refresh_yields_a_new_access_token(config, tokens) {
  const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(fresh.access_token, tokens.access_token);
  if (settings.method === "none") assert.notEqual(fresh.refresh_token, tokens.refresh_token);
  await openid.fetchUserInfo(config, fresh.access_token, tokens.claims().sub);
}

async function wrong_verifier_is_refused_and_spends_nothing(config) {
  const [answer, checks] = await authorize(config);
  const wrong = { ...checks, pkceCodeVerifier: openid.randomPKCECodeVerifier() };
  await assert.rejects(openid.authorizationCodeGrant(config, answer, wrong), { error: "invalid_grant" });
  await openid.authorizationCodeGrant(config, answer, checks);
}

async function code_replay_is_refused_and_ends_the_grant(config) {
  const [answer, checks] = await authorize(config);
  const tokens = await openid.authorizationCodeGrant(config, answer, checks);
  await assert.rejects(openid.authorizationCodeGrant(config, answer, checks), { error: "invalid_grant" });
  await assert.rejects(openid.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
  await assert.rejects(openid.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
}

/** RFC 7009 by this client's own method; RFC 7662 where it can authenticate. */
async function what_is_given_back_is_dead_at_once(config) {
  const [answer, checks] = await authorize(config);
  const tokens = await openid.authorizationCodeGrant(config, answer, checks);
  const subject = tokens.claims().sub;
  const active = async (token) => (await openid.tokenIntrospection(config, token)).active;
  const confidential = settings.method !== "none";
  if (confidential) {
    assert.ok(await active(tokens.access_token) && await active(tokens.refresh_token));
  } else {
    await assert.rejects(openid.tokenIntrospection(config, tokens.access_token), { status: 401 });
  }
  await openid.tokenRevocation(config, tokens.access_token);
  await assert.rejects(openid.fetchUserInfo(config, tokens.access_token, subject));
  if (confidential) assert.ok(!await active(tokens.access_token) && await active(tokens.refresh_token));
  const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token);
  await openid.tokenRevocation(config, fresh.refresh_token, { token_type_hint: "refresh_token" });
  await assert.rejects(openid.fetchUserInfo(config, fresh.access_token, subject));
  await assert.rejects(openid.refreshTokenGrant(config, fresh.refresh_token), { error: "invalid_grant" });
}

/** The user is asked unless the ID token names this very session; afterwards nobody is signed in. */
async function a_sign_out_ends_the_session_and_leads_back(config, tokens) {
  const post_logout_redirect_uri = settings.post_logout_redirect_uri;
  const state = openid.randomState();
  const url = openid.buildEndSessionUrl(config, { post_logout_redirect_uri, state, id_token_hint: tokens.id_token });
  const back = await walker.authorize(url, post_logout_redirect_uri);
  assert.equal(back.searchParams.get("state"), state);
  const silent = openid.buildAuthorizationUrl(config, {
    redirect_uri: settings.redirect_uri,
    scope: SCOPE,
    prompt: "none",
    code_challenge: await openid.calculatePKCECodeChallenge(openid.randomPKCECodeVerifier()),
    code_challenge_method: "S256",
  });
  const answer = await walker.authorize(silent, settings.redirect_uri);
  assert.equal(answer.searchParams.get("error"), "login_required");
  const elsewhere = openid.buildEndSessionUrl(config, { post_logout_redirect_uri: "https://client.example/elsewhere" });
  await assert.rejects(walker.authorize(elsewhere, "https://client.example/elsewhere"), /status 400/);
}

const config = await discovery_is_consistent();
const tokens = await code_flow_yields_a_valid_id_token(config);
const userinfo = await userinfo_agrees_with_the_id_token(config, tokens);
await refresh_yields_a_new_access_token(config, tokens);
await an_answer_for_another_request_is_noticed(config);
await wrong_verifier_is_refused_and_spends_nothing(config);
await code_replay_is_refused_and_ends_the_grant(config);
await what_is_given_back_is_dead_at_once(config);
if (settings.post_logout_redirect_uri) await a_sign_out_ends_the_session_and_leads_back(config, tokens);
if (settings.register) await a_deleted_client_is_gone(config, tokens);
console.log(JSON.stringify({ ok: true, claims: tokens.claims(), userinfo }));
