// The MFA API by a client library that others wrote, unmodified: it lists, sets up, asks, verifies and removes.

import { AuthClient } from "@auth0/auth0-auth-js";
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const settings = JSON.parse(readFileSync(0, "utf8"));
const domain = new URL(settings.issuer).host;
const client = new AuthClient({ domain, clientId: settings.client_id, clientSecret: settings.client_secret });

/** Logs in by password alone, and says what the server asks for beside it. */
async function mfaRequired() {
  const response = await fetch(`${settings.issuer}/oauth/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      grant_type: "http://auth0.com/oauth/grant-type/password-realm",
      realm: "Username-Password-Authentication",
      username: settings.username,
      password: settings.password,
      scope: "openid payments offline_access",
      client_id: settings.client_id,
      client_secret: settings.client_secret,
    }),
  });
  const answer = await response.json();
  assert.equal(response.status, 403, JSON.stringify(answer));
  assert.equal(answer.error, "mfa_required");
  return answer;
}

let codesRead = 0;

/** The code of the next message that has one; messages leave by a queue. */
async function sentCode() {
  for (let tries = 0; tries < 100; tries += 1) {
    const names = readdirSync(settings.outbox).filter((name) => name.endsWith(".json")).sort();
    const messages = names.map((name) => JSON.parse(readFileSync(join(settings.outbox, name), "utf8")));
    const codes = messages.filter((message) => message.code);
    if (codes.length > codesRead) return codes[codesRead++].code;
    await new Promise((resume) => setTimeout(resume, 50));
  }
  assert.fail(`no message ${codesRead} with a code came`);
}

/** What an authenticator app shows in a step (RFC 6238). */
function appCode(secret, steps = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((symbol) => alphabet.indexOf(symbol).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", key).update(counter).digest();
  const at = mac.at(-1) & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function refused(promise, error, description) {
  await assert.rejects(promise, (thrown) => {
    assert.equal(thrown.cause?.error ?? thrown.error, error, `${thrown} ${JSON.stringify(thrown.cause)}`);
    if (description) assert.equal(thrown.cause?.error_description ?? thrown.message, description);
    return true;
  });
}

/** A first factor by SMS: set up, and confirmed by the code that was sent. */
async function enrolls_a_phone() {
  const required = await mfaRequired();
  assert.ok(required.mfa_requirements.enroll.some(({ type }) => type === "phone"), JSON.stringify(required));
  const mfaToken = required.mfa_token;
  assert.deepEqual(await client.mfa.listAuthenticators({ mfaToken }), []);
  const enrolled = await client.mfa.enrollAuthenticator({
    authenticatorTypes: ["oob"],
    oobChannels: ["sms"],
    phoneNumber: "+4915112345623",
    mfaToken,
  });
  assert.equal(enrolled.oobChannel, "sms");
  assert.equal(enrolled.bindingMethod, "prompt");
  assert.equal(enrolled.recoveryCodes.length, 10);
  await refused(
    client.mfa.verify({ factorType: "oob", mfaToken, oobCode: enrolled.oobCode, bindingCode: "000000" }),
    "invalid_grant",
    "Invalid binding_code.",
  );
  const tokens = await client.mfa.verify({
    factorType: "oob",
    mfaToken,
    oobCode: enrolled.oobCode,
    bindingCode: await sentCode(),
  });
  assert.ok(tokens.accessToken && tokens.refreshToken, JSON.stringify(tokens));
  return enrolled.recoveryCodes;
}

/** A login by the phone, and one by a recovery code, whose answer brings a new one. */
async function asks_the_phone_and_takes_a_recovery_code(codes) {
  const { mfa_token: mfaToken } = await mfaRequired();
  const authenticators = await client.mfa.listAuthenticators({ mfaToken });
  const phone = authenticators.find(({ oobChannels }) => oobChannels?.includes("sms"));
  assert.equal(phone.active, true);
  assert.match(phone.name, /^\+4915X+$/);
  await refused(
    client.mfa.enrollAuthenticator({ authenticatorTypes: ["otp"], mfaToken }),
    "access_denied",
    "User is already enrolled",
  );
  const asked = await client.mfa.challengeAuthenticator({ challengeType: "oob", authenticatorId: phone.id, mfaToken });
  assert.equal(asked.challengeType, "oob");
  await client.mfa.verify({ factorType: "oob", mfaToken, oobCode: asked.oobCode, bindingCode: await sentCode() });

  const again = await mfaRequired();
  const tokens = await client.mfa.verify({
    factorType: "recovery-code",
    mfaToken: again.mfa_token,
    recoveryCode: codes[0],
  });
  assert.ok(tokens.recoveryCode && tokens.recoveryCode !== codes[0], JSON.stringify(tokens));
}

/** With an access token of the API's own: another factor, what there is, and away with it. */
async function adds_an_app_and_removes_it(accessToken) {
  const enrolled = await client.mfa.enrollAuthenticator({ authenticatorTypes: ["otp"], mfaToken: accessToken });
  assert.match(enrolled.barcodeUri, /^otpauth:\/\/totp\//);
  await client.mfa.verify({ factorType: "otp", mfaToken: accessToken, otp: appCode(enrolled.secret) });

  const { mfa_token: mfaToken } = await mfaRequired();
  const asked = await client.mfa.challengeAuthenticator({ challengeType: "otp", mfaToken });
  assert.equal(asked.challengeType, "otp");
  await refused(client.mfa.verify({ factorType: "otp", mfaToken, otp: "000000" }), "invalid_grant", "Invalid otp_code.");
  await client.mfa.verify({ factorType: "otp", mfaToken, otp: appCode(enrolled.secret, 1) });

  // Whoever knows the password must not take away what guards against that.
  const app = (await client.mfa.listAuthenticators({ mfaToken: accessToken })).find(({ id }) => id.startsWith("totp|"));
  const another = (await mfaRequired()).mfa_token;
  await refused(client.mfa.deleteAuthenticator({ authenticatorId: app.id, mfaToken: another }), "invalid_token");
  await client.mfa.deleteAuthenticator({ authenticatorId: app.id, mfaToken: accessToken });
  // What rested on it has ended, the token among it.
  await refused(client.mfa.listAuthenticators({ mfaToken: accessToken }), "invalid_token");
}

switch (settings.part) {
  case "login": {
    const codes = await enrolls_a_phone();
    await asks_the_phone_and_takes_a_recovery_code(codes);
    break;
  }
  case "own token":
    await adds_an_app_and_removes_it(settings.access_token);
    break;
  default:
    assert.fail(`no part ${settings.part}`);
}
console.log(JSON.stringify({ ok: true }));
