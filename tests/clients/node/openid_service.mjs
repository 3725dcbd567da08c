// A service and an API made of openid-client: one asks for tokens of its own, the other asks what tokens are worth.
//
// Each function is one claim. The last line printed is a JSON object of what was seen; any claim that fails ends it with 1.

import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import * as openid from "openid-client";

const METHODS = { client_secret_basic: openid.ClientSecretBasic, client_secret_post: openid.ClientSecretPost };
const INACTIVE = { active: false };

const settings = JSON.parse(await text(process.stdin));

/** A confidential client, by the metadata of RFC 8414. */
function party({ client_id, client_secret, method }) {
  const execute = [openid.allowInsecureRequests];
  const options = { execute, algorithm: "oauth2" };
  return openid.discovery(new URL(settings.issuer), client_id, undefined, METHODS[method](client_secret), options);
}

async function a_service_gets_a_token_of_its_own(service) {
  const answer = await openid.clientCredentialsGrant(service, { scope: "orders", resource: settings.resource });
  assert.ok(answer.expiresIn() > 0);
  assert.equal(answer.scope, "orders");
  assert.equal(answer.refresh_token ?? answer.id_token, undefined);
  return answer.access_token;
}

async function scopes_of_users_are_refused(service) {
  for (const scope of ["openid", "orders offline_access"]) {
    await assert.rejects(openid.clientCredentialsGrant(service, { scope }), { error: "invalid_scope" });
  }
}

async function the_api_hears_what_it_is_worth(service, api, token) {
  const worth = await openid.tokenIntrospection(api, token, { token_type_hint: "refresh_token" });
  assert.equal(worth.active, true);
  assert.equal(worth.token_type, "Bearer");
  assert.equal(worth.sub, settings.service.client_id);
  assert.equal(worth.client_id, settings.service.client_id);
  assert.equal(worth.scope, "orders");
  assert.equal(worth.aud, settings.resource);
  assert.equal(worth.iss, settings.issuer);
  assert.ok(worth.exp > worth.iat);
  assert.deepEqual(await openid.tokenIntrospection(service, token), worth, "its own client hears the same");
  return worth;
}

async function others_hear_nothing_and_end_nothing(other, api, token) {
  assert.deepEqual(await openid.tokenIntrospection(other, token), INACTIVE);
  await openid.tokenRevocation(other, token);
  await openid.tokenRevocation(other, "unknown");
  assert.equal((await openid.tokenIntrospection(api, token)).active, true);
}

async function a_revoked_token_is_inactive_at_once(service, api, token) {
  const kept = await a_service_gets_a_token_of_its_own(service);
  await openid.tokenRevocation(service, token, { token_type_hint: "access_token" });
  await openid.tokenRevocation(service, token);
  for (const asker of [api, service]) assert.deepEqual(await openid.tokenIntrospection(asker, token), INACTIVE);
  assert.equal((await openid.tokenIntrospection(api, kept)).active, true);
}

const [service, api, other] = await Promise.all([settings.service, settings.api, settings.other].map(party));
const token = await a_service_gets_a_token_of_its_own(service);
await scopes_of_users_are_refused(service);
const worth = await the_api_hears_what_it_is_worth(service, api, token);
await others_hear_nothing_and_end_nothing(other, api, token);
await a_revoked_token_is_inactive_at_once(service, api, token);
console.log(JSON.stringify({ ok: true, worth, opaque: !token.includes(".") }));
