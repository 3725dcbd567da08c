// The cookbook's shared function, as its front ends call it: it reads what an API asks for, judges logins, and pays.
//
// Each function is one claim. The last line printed is a JSON object of what was seen; any claim that fails ends it with 1.

import assert from "node:assert/strict";
import { text } from "node:stream/consumers";

const settings = JSON.parse(await text(process.stdin));
const stepUp = await import(settings.module);
const { MFA, PHISHING_RESISTANT, StepUpFailed, StepUpNeeded } = stepUp;

const asked = (challenge, status = 401) =>
  stepUp.requirementOf({ status, headers: new Headers(challenge && { "www-authenticate": challenge }) });

function rfc9470_3_a_challenge_is_read_whole() {
  const error = 'error="insufficient_user_authentication"';
  assert.deepEqual(asked(`Bearer ${error}, acr_values="${MFA} phr", max_age="300"`), { acrValues: [MFA, "phr"], maxAge: 300 });
  assert.deepEqual(asked(`bearer max_age=0 , ${error}`), { acrValues: [], maxAge: 0 });
  assert.deepEqual(asked(`Bearer realm="a, max_age=\\"9\\"", ${error}, acr_values="a"`), { acrValues: ["a"] });
  assert.deepEqual(asked(`DPoP algs="ES256", max_age="1", Bearer ${error}, acr_values="b"`), { acrValues: ["b"] });
}

function rfc9470_3_other_refusals_ask_for_nothing() {
  const challenge = 'Bearer error="insufficient_user_authentication", acr_values="a"';
  for (const status of [200, 400, 403, 500]) assert.equal(asked(challenge, status), undefined);
  for (const other of [
    undefined,
    "Bearer",
    'Bearer error="invalid_token", acr_values="a"',
    'DPoP error="insufficient_user_authentication", acr_values="a"',
    'Bearer realm="error=insufficient_user_authentication"',
  ]) {
    assert.equal(asked(other), undefined, other);
  }
}

function a_login_is_enough_by_class_and_age() {
  const wanted = { acrValues: [MFA, PHISHING_RESISTANT], maxAge: 300 };
  const meets = (login, requirement = wanted) => stepUp.meets(login, requirement, 1_000);
  assert.ok(meets({ acr: MFA, auth_time: 700 }) && meets({ acr: "phr", auth_time: 1_000 }));
  assert.ok(!meets({ acr: MFA, auth_time: 699 }) && !meets({ acr: MFA }) && !meets({ auth_time: 1_000 }));
  assert.ok(!meets({ acr: `${MFA} phr`, auth_time: 1_000 }) && !meets(undefined));
  assert.ok(meets({ acr: MFA }, { acrValues: [MFA] }) && meets({ auth_time: 999 }, { acrValues: [], maxAge: 1 }));
}

function who_comes_back_with_too_little_is_not_sent_in_circles() {
  const wanted = { acrValues: [MFA] };
  stepUp.confirmStepUp({ acr: MFA }, wanted);
  assert.throws(() => stepUp.confirmStepUp({ acr: "1" }, wanted), StepUpFailed);
  assert.throws(() => stepUp.confirmStepUp(undefined, wanted), StepUpFailed);
}

function a_request_asks_for_what_the_api_wants_and_no_more() {
  assert.deepEqual(stepUp.stepUpParameters({ acrValues: ["a", "b"], maxAge: 0 }), { acr_values: "a b", max_age: 0 });
  assert.deepEqual(stepUp.stepUpParameters({ acrValues: [] }), {});
}

function every_error_of_a_sign_in_has_words_for_its_user() {
  const words = settings.errors.map(stepUp.explain);
  assert.ok(words.every((said) => said.endsWith(".")) && new Set(words).size >= 4, words.join());
  assert.equal(stepUp.explain("unknown"), stepUp.explain(""));
}

/** Pays with a token; the answer is the status, or the parameters of the step-up that the API asks for. */
async function pays() {
  const init = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ amount: settings.amount }),
  };
  try {
    const response = await stepUp.callApi(`${settings.api}/payments`, settings.access_token, init);
    return { status: response.status, body: await response.json() };
  } catch (problem) {
    assert.ok(problem instanceof StepUpNeeded, problem);
    const { requirement } = problem;
    return { parameters: stepUp.stepUpParameters(requirement), meets: stepUp.meets(settings.login, requirement) };
  }
}

if (settings.api) {
  console.log(JSON.stringify(await pays()));
} else {
  rfc9470_3_a_challenge_is_read_whole();
  rfc9470_3_other_refusals_ask_for_nothing();
  a_login_is_enough_by_class_and_age();
  who_comes_back_with_too_little_is_not_sent_in_circles();
  a_request_asks_for_what_the_api_wants_and_no_more();
  every_error_of_a_sign_in_has_words_for_its_user();
  console.log(JSON.stringify({ ok: true }));
}
