//! What the engine does for a factor that sends something or waits for something: here a made-up one, with a made-up sender.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa::{
    Answer, Challenge, Enrolled, Enrolment, Factor, FactorError, FirstEnrolment, LoginId, LoginRequest, Method, Mfa,
    MfaConfigError, Occasion, Policy, Prompt, Step, StepError, Verdict,
};
use countersign_mfa_otp::CodeHash;
use countersign_outbound::{Channel, Message, MessageSender, Purpose, SendError};
use countersign_primitives::{Amr, Requirement};
use countersign_storage_memory::MemoryStore;

use crate::letterbox::{Failure, Letterbox, NUMBER, wrong};
use crate::support::{Bench, key};

/// Sends six digits.
#[derive(Debug)]
struct Letter(Letterbox);

#[async_trait]
impl Factor for Letter {
    fn method(&self) -> Method {
        Method::new("letter", "Letter").amr([Amr::Sms]).channel(Channel::Sms)
    }
    fn contact(&self) -> Option<Channel> {
        Some(Channel::Sms)
    }
    fn sender(&self) -> Option<(Channel, Arc<dyn MessageSender>)> {
        Some((Channel::Sms, Arc::new(self.0.clone())))
    }
    async fn enrol(&self, at: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        assert!(at.contact().is_some());
        Enrolment::new(Prompt::none(), &())
    }
    async fn challenge(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        let code = format!("{:06}", u16::from_be_bytes(at.random().array::<2>()?));
        let to = enrolled.contact().ok_or_else(|| FactorError::state("no number"))?;
        let message = Message::new(Channel::Sms, Purpose::Code, to, format!("{code} is your code")).code(&*code);
        let challenge = Challenge::new(Prompt::none().digits(6), &at.hash_code(&code))?;
        Ok(challenge.sends(message).attempts(5).expires(at.now().plus(Duration::from_secs(300))))
    }
    async fn verify(
        &self,
        at: &Occasion<'_>,
        _: &Enrolled<'_>,
        challenge: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        let hash: CodeHash = challenge.state()?;
        Ok(Verdict::when(answer.code_text().is_some_and(|code| at.is_code(&hash, code))))
    }
}

/// What the owner of a device did, shared with the factor that waits for it.
type Pressed = Arc<Mutex<Option<bool>>>;

/// Asks a device that answers by itself.
#[derive(Debug)]
struct Device(Pressed);

#[async_trait]
impl Factor for Device {
    fn method(&self) -> Method {
        Method::new("device", "Device").amr([Amr::Hwk])
    }
    async fn enrol(&self, _: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        Enrolment::new(Prompt::none().polling(Duration::from_secs(2)), &())
    }
    async fn challenge(&self, _: &Occasion<'_>, _: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        Ok(Challenge::plain(Prompt::wait("42", Duration::from_secs(2))))
    }
    async fn verify(
        &self,
        _: &Occasion<'_>,
        _: &Enrolled<'_>,
        _: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        assert!(matches!(answer, Answer::Poll | Answer::Code { .. }));
        Ok(match (*self.0.lock().unwrap(), answer) {
            (_, Answer::Code { .. }) => Verdict::rejected(),
            (None, _) => Verdict::pending(),
            (Some(true), _) => Verdict::accepted(),
            (Some(false), _) => Verdict::denied(),
        })
    }
}

async fn bench() -> (Bench, Letterbox) {
    let letters = Letterbox::default();
    let bench = Bench::with(|builder| builder.factor(Letter(letters.clone()))).await;
    (bench, letters)
}

/// Sets up letters, and waits until the next one may be sent.
async fn enrolled() -> (Bench, Letterbox) {
    let (bench, letters) = bench().await;
    let mut login = bench.second("alice").await;
    login.choose("letter").await;
    login.answer(&Answer::contact(NUMBER)).await;
    login.answer(&Answer::enrol(letters.last())).await;
    login.answer(&Answer::RecoveryCodes).await;
    login.done();
    bench.clock.advance(Duration::from_secs(30));
    (bench, letters)
}

#[tokio::test]
async fn an_unverified_number_is_verified_by_its_first_code() {
    let (bench, letters) = bench().await;
    let mut login = bench.second("alice").await;
    let Step::Contact(step) = login.choose("letter").await else { panic!("{:?}", login.step) };
    assert_eq!((step.method.as_str(), step.channel, step.or[0].method.as_str()), ("letter", Channel::Sms, "totp"));
    assert_eq!(login.answer(&Answer::contact("0151 123")).await.error(), Some(StepError::InvalidContact));
    assert_eq!(letters.count(), 0);
    let Step::Enrol(step) = login.answer(&Answer::contact(NUMBER)).await else { panic!("{:?}", login.step) };
    let told = bench.events.lock().unwrap().last().cloned().unwrap();
    assert_eq!((told.name(), told.method(), told.message().is_some()), ("message.sent", Some("sms"), true));
    assert_eq!((step.to.as_deref(), step.may_resend, step.resend_in), (Some("+49…23"), true, Some(30)));
    assert_eq!(letters.message().to, "+4915112345623");
    let code = letters.last();
    assert_eq!(login.answer(&Answer::enrol(wrong(&code))).await.error(), Some(StepError::WrongCode));
    login.answer(&Answer::enrol(code)).await;
    login.answer(&Answer::RecoveryCodes).await;
    assert_eq!(login.done().signed_in.amr_values(), [Amr::Pwd, Amr::Sms, Amr::Mfa]);
    bench.clock.advance(Duration::from_secs(30));
    let login = bench.second("alice").await;
    let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!((step.to.as_deref(), step.may_resend), (Some("+49…23"), true));
}

#[tokio::test]
async fn another_number_can_be_typed_before_the_first_code() {
    let (bench, letters) = bench().await;
    let mut login = bench.second("alice").await;
    login.choose("letter").await;
    login.answer(&Answer::contact(NUMBER)).await;
    let first = letters.last();
    assert!(matches!(login.answer(&Answer::choose("enrol|letter")).await, Step::Contact(_)));
    bench.clock.advance(Duration::from_secs(30));
    login.answer(&Answer::contact("+12025550123")).await;
    assert_eq!(letters.message().to, "+12025550123");
    assert_eq!(login.answer(&Answer::enrol(first)).await.error(), Some(StepError::WrongCode), "proves another number");
    assert!(matches!(login.answer(&Answer::enrol(letters.last())).await, Step::RecoveryCodes(_)));
}

#[tokio::test]
async fn m24_the_time_between_messages_is_counted_over_all_logins() {
    let (bench, letters) = enrolled().await;
    let before = letters.count();
    let mut first = bench.second("alice").await;
    let code = letters.last();
    let second = bench.second("alice").await;
    assert_eq!(second.step.error(), Some(StepError::TooSoon), "a new login sends nothing sooner");
    assert_eq!(first.answer(&Answer::Resend).await.error(), Some(StepError::TooSoon));
    let Step::Code(step) = &first.step else { panic!() };
    assert_eq!((step.resend_in, letters.count()), (Some(30), before + 1));
    assert!(matches!(first.answer(&Answer::code(code)).await, Step::Done(_)), "asking too soon voids nothing");
}

#[tokio::test]
async fn a_code_that_is_sent_again_replaces_the_one_before() {
    let (bench, letters) = enrolled().await;
    let mut login = bench.second("alice").await;
    let first = letters.last();
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(login.answer(&Answer::Resend).await.error(), None);
    let second = letters.last();
    if first != second {
        assert_eq!(login.answer(&Answer::code(first)).await.error(), Some(StepError::WrongCode));
    }
    assert!(matches!(login.answer(&Answer::code(second)).await, Step::Done(_)));
}

#[tokio::test]
async fn m24_five_attempts_a_challenge_counted_before_comparing() {
    let (bench, letters) = enrolled().await;
    let mut login = bench.second("alice").await;
    let code = letters.last();
    for _ in 0..5 {
        assert_eq!(login.answer(&Answer::code(wrong(&code))).await.error(), Some(StepError::WrongCode));
    }
    assert_eq!(login.answer(&Answer::code(code)).await.error(), Some(StepError::AttemptsSpent), "the right one too");
    bench.clock.advance(Duration::from_secs(30));
    login.answer(&Answer::Resend).await;
    assert!(matches!(login.answer(&Answer::code(letters.last())).await, Step::Done(_)));
}

#[tokio::test]
async fn a_challenge_has_its_time() {
    let (bench, letters) = enrolled().await;
    let mut login = bench.second("alice").await;
    bench.clock.advance(Duration::from_secs(300));
    let late = login.answer(&Answer::code(letters.last())).await;
    assert_eq!(late.error(), Some(StepError::CodeExpired));
}

#[tokio::test]
async fn promise_14_a_message_that_is_not_taken_opens_nothing() {
    let ways: [(Failure, StepError); 3] = [
        (|| SendError::Unreachable, StepError::Unreachable),
        (|| SendError::Busy, StepError::NotSent),
        (|| SendError::unavailable("down"), StepError::NotSent),
    ];
    for (how, told) in ways {
        let (bench, letters) = enrolled().await;
        letters.fail(Some(how));
        let mut login = bench.second("alice").await;
        let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
        assert_eq!((step.error, step.or[0].method.as_str()), (Some(told), "recovery_code"), "another way is offered");
        assert!(bench.heard().contains(&"message.failed"));
        assert_eq!(login.answer(&Answer::code("")).await.error(), Some(StepError::WrongCode));
        letters.fail(None);
        bench.clock.advance(Duration::from_secs(30));
        assert_eq!(login.answer(&Answer::Resend).await.error(), None);
        assert!(matches!(login.answer(&Answer::code(letters.last())).await, Step::Done(_)));
    }
}

#[tokio::test]
async fn promise_11_a_code_works_for_its_login_alone() {
    let (bench, letters) = enrolled().await;
    let mut mine = bench.second("alice").await;
    let code = letters.last();
    bench.clock.advance(Duration::from_secs(30));
    let mut other = bench.second("alice").await;
    let others = letters.last();
    if code != others {
        assert_eq!(other.answer(&Answer::code(code.clone())).await.error(), Some(StepError::WrongCode));
    }
    let stolen = bench.mfa.answer(LoginId(mine.id.0), &Answer::code(code.clone()), &bench.browser()).await;
    assert!(stolen.is_err(), "another browser");
    assert!(matches!(mine.answer(&Answer::code(code)).await, Step::Done(_)));
}

#[tokio::test]
async fn what_comes_from_elsewhere_is_waited_for() {
    let pressed = Pressed::default();
    let bench = Bench::with(|builder| builder.factor(Device(pressed.clone()))).await;
    let mut login = bench.second("alice").await;
    let Step::Enrol(step) = login.choose("device").await else { panic!("{:?}", login.step) };
    assert_eq!(step.poll_every, Some(2));
    assert!(matches!(login.answer(&Answer::Poll).await, Step::Enrol(_)));
    *pressed.lock().unwrap() = Some(true);
    login.answer(&Answer::Poll).await;
    login.answer(&Answer::RecoveryCodes).await;
    login.done();

    *pressed.lock().unwrap() = None;
    let mut login = bench.second("alice").await;
    let Step::Wait(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!((step.number.as_ref().unwrap().expose(), step.poll_every, step.may_resend), ("42", 2, true));
    for _ in 0..50 {
        assert_eq!(login.answer(&Answer::Poll).await.error(), None, "asking guesses nothing");
    }
    *pressed.lock().unwrap() = Some(false);
    assert_eq!(login.answer(&Answer::Poll).await.error(), Some(StepError::Denied));
    assert!(bench.heard().contains(&"factor.denied"));
    *pressed.lock().unwrap() = Some(true);
    assert!(matches!(login.answer(&Answer::Poll).await, Step::Done(_)));
}

#[tokio::test]
async fn an_answer_that_another_step_takes_changes_nothing() {
    let (bench, _) = enrolled().await;
    let mut login = bench.second("alice").await;
    for answer in [Answer::Poll, Answer::contact(NUMBER), Answer::enrol("000000")] {
        assert!(matches!(login.answer(&answer).await, Step::Code(step) if step.error.is_none()), "{answer:?}");
    }
    let mut login = bench.begin(LoginRequest::new().requirement(Requirement::MFA), bench.browser()).await;
    assert!(matches!(login.answer(&Answer::Resend).await, Step::Password(_)));
}

#[tokio::test]
async fn a_channel_without_a_sender_is_a_mistake_at_the_start() {
    #[derive(Debug)]
    struct Mute;
    #[async_trait]
    impl Factor for Mute {
        fn method(&self) -> Method {
            Method::new("mute", "Mute").channel(Channel::Email)
        }
        async fn enrol(&self, _: &Occasion<'_>) -> Result<Enrolment, FactorError> {
            Enrolment::new(Prompt::none(), &())
        }
        async fn challenge(&self, _: &Occasion<'_>, _: &Enrolled<'_>) -> Result<Challenge, FactorError> {
            Ok(Challenge::plain(Prompt::none()))
        }
        async fn verify(
            &self,
            _: &Occasion<'_>,
            _: &Enrolled<'_>,
            _: &Challenge,
            _: &Answer,
        ) -> Result<Verdict, FactorError> {
            Ok(Verdict::rejected())
        }
    }
    let policy = || Policy::never().first_enrolment(FirstEnrolment::ThisLogin);
    let without = Mfa::builder(MemoryStore::new(), &key()).factor(Mute).policy(policy()).build().await;
    assert!(matches!(without, Err(MfaConfigError::NoSender(Channel::Email))));
    let key = key();
    let with = Mfa::builder(MemoryStore::new(), &key).factor(Mute).sender(Channel::Email, Letterbox::default());
    assert!(with.policy(policy()).build().await.is_ok());
}
