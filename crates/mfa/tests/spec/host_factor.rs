//! A host's own factor, and what it can and cannot do.

use async_trait::async_trait;
use countersign_mfa::{
    Answer, Challenge, Enrolled, Enrolment, Factor, FactorError, FirstEnrolment, Kind, LoginRequest, Method, Occasion,
    Policy, Prompt, RefusedReason, Step, StepError, Verdict,
};
use countersign_primitives::{Acr, Amr, Requirement};

use crate::support::Bench;

/// Asks for the number in a cell of a printed card; each card says its cell times three.
#[derive(Debug)]
struct Card(Method);

#[async_trait]
impl Factor for Card {
    fn method(&self) -> Method {
        self.0.clone()
    }
    async fn enrol(&self, _: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        Enrolment::new(Prompt::text("times three"), &3_u8)
    }
    async fn challenge(&self, at: &Occasion<'_>, _: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        let cell = 10 + at.random().array::<1>()?[0] % 20;
        Challenge::new(Prompt::code(cell.to_string(), 2), &cell)
    }
    async fn verify(
        &self,
        _: &Occasion<'_>,
        enrolled: &Enrolled<'_>,
        challenge: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        let (times, cell): (u8, u8) = (enrolled.state()?, challenge.state()?);
        Ok(Verdict::when(answer.is_code(&format!("{:02}", times * cell))))
    }
}

fn card() -> Method {
    Method::new("card", "Printed card").amr([Amr::Otp])
}

async fn bench(method: Method) -> Bench {
    Bench::with(|builder| builder.factor(Card(method))).await
}

fn times_three(text: &str) -> String {
    (text.parse::<u8>().unwrap() * 3).to_string()
}

#[tokio::test]
async fn a_hosts_own_factor_is_set_up_and_asked_like_any_other() {
    let bench = bench(card()).await;
    let mut login = bench.second("alice").await;
    let Step::Choose(step) = &login.step else { panic!("{:?}", login.step) };
    let ids: Vec<_> = step.authenticators.iter().map(|way| way.id.as_str()).collect();
    assert_eq!(ids, ["enrol|totp", "enrol|card"]);
    assert_eq!(login.answer(&Answer::choose("enrol|passkey")).await.error(), Some(StepError::NoSuchChoice));
    let Step::Enrol(step) = login.choose("card").await else { panic!("{:?}", login.step) };
    assert_eq!(step.text.as_ref().unwrap().expose(), "times three");
    let asked = times_three(step.question.as_ref().unwrap().expose());
    login.answer(&Answer::enrol(asked)).await;
    login.answer(&Answer::RecoveryCodes).await;
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::MFA));
    let mut login = bench.second("alice").await;
    let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
    let question = step.text.as_ref().unwrap().expose().to_owned();
    assert_eq!((step.method.as_str(), step.digits), ("card", Some(2)));
    let Step::Code(again) = login.answer(&Answer::code("00")).await else { panic!() };
    assert_eq!(again.text.as_ref().unwrap().expose(), question, "a wrong answer draws no easier question");
    login.answer(&Answer::code(times_three(&question))).await;
    assert!(login.is_done());
}

#[tokio::test]
async fn promise_8_a_second_thing_that_one_knows_is_no_second_factor() {
    let bench = bench(card().kind(Kind::Knowledge)).await;
    let login = bench.second("alice").await;
    let Step::Enrol(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(step.method, "totp", "only what one has is offered beside what one knows");
}

#[tokio::test]
async fn promise_8_a_hosts_own_factor_is_phishing_resistant_only_if_it_says_so_and_from_the_next_login_on() {
    let request = || LoginRequest::new().requirement(Requirement::PHISHING_RESISTANT);
    let plain = bench(card()).await;
    let login = plain.password(request(), plain.browser(), "alice").await;
    assert!(matches!(login.step, Step::Refused(_)));
    let bench = Bench::with(|builder| {
        let policy = Policy::never().first_enrolment(FirstEnrolment::ThisLogin);
        builder.policy(policy).factor(Card(card().danger_phishing_resistant()))
    })
    .await;
    let login = bench.password(request(), bench.browser(), "alice").await;
    let Step::Refused(refused) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(refused.reason, RefusedReason::UnmetAuthenticationRequirements);
    let mut login = bench.second("alice").await;
    let Step::Enrol(step) = login.choose("card").await else { panic!("{:?}", login.step) };
    let code = times_three(step.question.as_ref().unwrap().expose());
    login.answer(&Answer::enrol(code)).await;
    login.answer(&Answer::RecoveryCodes).await;
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::MFA), "what is set up here gives at most mfa");
    let mut login = bench.password(request(), bench.browser(), "alice").await;
    let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
    assert!(step.or.is_empty(), "a recovery code reaches less: {step:?}");
    let code = times_three(step.text.as_ref().unwrap().expose());
    login.answer(&Answer::code(code)).await;
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::PHR));
}
