(() => {
  'use strict';
  const form = document.getElementById('webauthn-form');
  if (!form) return;
  const say = (told) => {
    for (const id of ['webauthn-cannot', 'webauthn-failed', 'webauthn-known']) {
      const text = document.getElementById(id);
      if (text) text.hidden = id !== told;
    }
  };
  const keys = window.PublicKeyCredential;
  if (!keys || !keys.parseCreationOptionsFromJSON || !keys.parseRequestOptionsFromJSON) {
    say('webauthn-cannot');
    return;
  }
  const { publicKey } = JSON.parse(form.dataset.options);
  const creates = form.dataset.ceremony === 'create';
  let pending = null;
  const ask = async (mediation) => {
    if (pending) pending.abort();
    pending = new AbortController();
    const { signal } = pending;
    try {
      const credential = creates
        ? await navigator.credentials.create({ publicKey: keys.parseCreationOptionsFromJSON(publicKey), signal })
        : await navigator.credentials.get({ publicKey: keys.parseRequestOptionsFromJSON(publicKey), signal, mediation });
      form.elements.response.value = JSON.stringify(credential.toJSON());
      HTMLFormElement.prototype.submit.call(form);
    } catch (error) {
      if (signal.aborted || mediation) return;
      say(error.name === 'InvalidStateError' ? 'webauthn-known' : 'webauthn-failed');
    }
  };
  form.addEventListener('submit', (event) => {
    if (event.submitter && event.submitter.name) return; // another way
    event.preventDefault();
    say(null);
    ask();
  });
  form.hidden = false;
  document.getElementById('use-key').hidden = false;
  if (form.dataset.autofill && keys.isConditionalMediationAvailable) {
    keys.isConditionalMediationAvailable().then((offers) => offers && ask('conditional'));
  }
})();
