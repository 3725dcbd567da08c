use std::time::Duration;

use countersign_primitives::Subject;
use proptest::prelude::*;

use super::*;
use crate::factor::Kind;
use crate::step::Shown;
use crate::{AuthenticatorId, Caller, LoginRequest};

const NOW: UnixTime = UnixTime::from_secs(1_000_000);

fn id(number: usize) -> Id {
    Id::from_bytes([u8::try_from(number).unwrap(); 16])
}

fn methods() -> Vec<Method> {
    vec![
        Method::new("totp", "App").amr([Amr::Otp]),
        Method::new("recovery_code", "Recovery code").amr([Amr::Otp]).backup(),
        Method::new("question", "Question").kind(Kind::Knowledge).amr([Amr::Kba]),
        Method::new("finger", "Finger").kind(Kind::Inherence).amr([Amr::Fpt]),
        Method::new("key", "Key").amr([Amr::Hwk]).danger_phishing_resistant(),
    ]
}

fn view<'a>(
    methods: &'a [Method],
    ways: &[usize],
    enrolable: &[usize],
    floor: &'a Requirement,
    table: &'a AcrTable,
) -> View<'a> {
    View {
        ways: ways.iter().map(|way| (id(*way), &methods[*way])).collect(),
        enrolable: enrolable.iter().map(|way| &methods[*way]).collect(),
        suggested: None,
        floor,
        gate: Gate::Open,
        offers: false,
        first: Some(FirstMethods::default()),
        remembered: None,
        table,
        now: NOW,
    }
}

fn login(request: LoginRequest) -> Login {
    Login::begin(request, &Caller::new(id(9)), &Requirement::NONE, &AcrTable::default(), NOW)
}

fn with_password(request: LoginRequest) -> Login {
    let mut login = login(request);
    login.subject = Some(Subject::new("u-1"));
    login.prove(Proven::password(NOW));
    login
}

fn mfa() -> LoginRequest {
    LoginRequest::new().requirement(Requirement::MFA)
}

fn stage(login: &Login, ways: &[usize], enrolable: &[usize]) -> Stage {
    next(login, &view(&methods(), ways, enrolable, &Requirement::NONE, &AcrTable::default()))
}

#[test]
fn the_password_comes_first_and_is_enough_where_nothing_more_is_asked() {
    assert_eq!(stage(&login(mfa()), &[0], &[]), Stage::Password);
    assert!(matches!(stage(&with_password(LoginRequest::new()), &[0], &[]), Stage::Done(_)));
}

#[test]
fn one_factor_is_asked_at_once_and_recovery_codes_stand_beside_it() {
    let login = with_password(mfa());
    assert_eq!(stage(&login, &[0, 1], &[]), Stage::Ask { authenticator: id(0), others: vec![id(1)] });
    assert_eq!(stage(&login, &[1], &[]), Stage::Ask { authenticator: id(1), others: vec![] });
    assert_eq!(stage(&login, &[0, 1, 3], &[]), Stage::Choose(vec![id(0), id(1), id(3)]));
    assert_eq!(stage(&login, &[2], &[]), Stage::Unmet);
}

#[test]
fn a_choice_holds_while_it_can() {
    let mut login = with_password(mfa());
    login.chosen = Some(AuthenticatorId::new("recovery_code", id(1)).to_string());
    assert_eq!(stage(&login, &[0, 1], &[]), Stage::Ask { authenticator: id(1), others: vec![id(0)] });
    assert_eq!(stage(&login, &[0], &[]), Stage::Ask { authenticator: id(0), others: vec![] });
}

#[test]
fn what_reaches_the_aim_at_once_is_asked_before_what_only_helps() {
    let login = with_password(LoginRequest::new().requirement(Requirement::PHISHING_RESISTANT));
    assert_eq!(stage(&login, &[0, 1, 4], &[]), Stage::Ask { authenticator: id(4), others: vec![] });
}

#[test]
fn setting_up_is_offered_only_where_it_may_be_and_reaches_the_aim() {
    let login = with_password(mfa());
    assert_eq!(stage(&login, &[], &[]), Stage::Unmet);
    assert_eq!(stage(&login, &[], &[0]), Stage::Enrol { method: "totp".into(), others: vec![] });
    assert_eq!(stage(&login, &[], &[0, 2, 3]), Stage::ChooseEnrolment(vec!["totp".into(), "finger".into()]));
    // Where the policy leads to one, the others stand beside it; what does not reach the aim is never led to.
    let (methods, table) = (methods(), AcrTable::default());
    let led = |to| View { suggested: Some(to), ..view(&methods, &[], &[0, 2, 3], &Requirement::NONE, &table) };
    assert_eq!(next(&login, &led("finger")), Stage::Enrol { method: "finger".into(), others: vec!["totp".into()] });
    assert!(matches!(next(&login, &led("question")), Stage::ChooseEnrolment(_)));
    let resistant = with_password(LoginRequest::new().requirement(Requirement::PHISHING_RESISTANT));
    assert_eq!(stage(&resistant, &[], &[4]), Stage::Unmet);
}

#[test]
fn promise_8_a_channel_that_said_who_signs_in_proves_nothing_more() {
    let by = |channel| Method::new("code", "Code").amr([Amr::Otp]).channel(channel);
    let methods = [by(Channel::Email), by(Channel::Sms), by(Channel::Voice)];
    let table = AcrTable::default();
    for (reset_by, left) in [
        (None, vec![0, 1, 2]),
        (Some(Channel::Email), vec![1, 2]),
        (Some(Channel::Sms), vec![0]), // a call goes to the same phone
        (Some(Channel::Voice), vec![0]),
    ] {
        let mut login = login(mfa());
        login.subject = Some(Subject::new("u-1"));
        login.prove(Proven { channel: reset_by, ..Proven::password(NOW) });
        let asked = match next(&login, &view(&methods, &[0, 1, 2], &[], &Requirement::NONE, &table)) {
            Stage::Choose(ids) => ids,
            Stage::Ask { authenticator, others } => [vec![authenticator], others].concat(),
            other => panic!("{other:?}"),
        };
        assert_eq!(asked, left.into_iter().map(id).collect::<Vec<_>>(), "{reset_by:?}");
    }
}

#[test]
fn m35_a_code_by_mail_does_not_make_the_code_of_an_app_young() {
    let mailed = Method::new("email", "E-mail").amr([Amr::Otp]).channel(Channel::Email);
    let long_ago = NOW.minus(Duration::from_secs(500));
    let mut login = with_password(LoginRequest::new());
    login.prove(Proven { at: long_ago, ..Proven::factor(&methods()[0], NOW, false) });
    login.prove(Proven::factor(&mailed, NOW, false));
    let Stage::Done(who) = stage(&login, &[], &[]) else { panic!("nothing is asked") };
    assert!(!who.rests_on_mail());
    let codes: Vec<_> = who.proofs().iter().filter(|proof| proof.amr == Amr::Otp).map(|proof| proof.at).collect();
    assert_eq!(codes, [long_ago], "so old is the code that the class rests on");
}

#[test]
fn m35_a_session_that_lost_a_factor_to_age_does_not_say_mfa() {
    let ago = |seconds| NOW.minus(Duration::from_secs(seconds));
    let who = SignedIn::new("u-1", NOW).amr([Amr::Pwd, Amr::Mfa]).proof(Amr::Otp, ago(500)).acr(Acr::MFA);
    let young = LoginRequest::new().who(who).since(ago(300)).acr_values([Acr::AAL1]);
    let Stage::Done(told) = stage(&login(young), &[0], &[]) else { panic!("one factor is enough") };
    assert_eq!((told.amr_values(), told.acr_value()), (vec![Amr::Pwd], Some(&Acr::AAL1)));
}

#[test]
fn promise_8_a_key_that_was_set_up_in_a_login_is_no_resistance_there_however_often_it_is_asked() {
    let mut login = with_password(mfa().acr_values([Acr::PHR]));
    login.added = Some(id(4));
    login.prove(Proven::factor(&methods()[4], NOW, true));
    let Stage::Done(who) = stage(&login, &[4], &[]) else { panic!("the wish is out of reach in this login") };
    assert_eq!(who.acr_value(), Some(&Acr::MFA));
    // In the next login it counts in full.
    login.added = None;
    assert_eq!(stage(&login, &[4], &[]), Stage::Ask { authenticator: id(4), others: vec![] });
}

#[test]
fn recovery_codes_are_kept_before_anything_else() {
    let mut login = with_password(LoginRequest::new());
    login.to_keep = vec![Shown::new("aaaa")];
    assert_eq!(stage(&login, &[], &[]), Stage::KeepCodes);
}

#[test]
fn without_passwords_somebody_must_be_brought() {
    let methods = methods();
    let table = AcrTable::default();
    let view = View { first: None, ..view(&methods, &[0], &[], &Requirement::NONE, &table) };
    assert_eq!(next(&login(LoginRequest::new()), &view), Stage::Unmet);
}

/// One thing that somebody may do to a login, whatever stage it is in.
#[derive(Debug, Clone, Copy)]
enum Move {
    Password,
    Prove(usize),
    Enrol(usize),
    Choose(usize),
    Keep,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        Just(Move::Password),
        (0..5_usize).prop_map(Move::Prove),
        (0..5_usize).prop_map(Move::Enrol),
        (0..5_usize).prop_map(Move::Choose),
        Just(Move::Keep),
    ]
}

fn requirements() -> impl Strategy<Value = Requirement> {
    let class = prop_oneof![
        Just(None),
        Just(Some(Acr::AAL1)),
        Just(Some(Acr::MFA)),
        Just(Some(Acr::AAL2)),
        Just(Some(Acr::PHR)),
        Just(Some(Acr::from_static("urn:example:unknown")))
    ];
    (class, proptest::option::of(0..600_u64)).prop_map(|(class, age)| {
        let requirement = class.map_or(Requirement::NONE, Requirement::at_least);
        age.map_or(requirement.clone(), |age| requirement.max_age(Duration::from_secs(age)))
    })
}

fn sessions() -> impl Strategy<Value = Option<SignedIn>> {
    let amr = prop_oneof![Just(Amr::Pwd), Just(Amr::Otp), Just(Amr::Hwk), Just(Amr::Mfa), Just(Amr::Kba)];
    let proofs = proptest::collection::vec((amr, 0..1_000_u64), 0..4);
    let acr = prop_oneof![Just(None), Just(Some(Acr::AAL1)), Just(Some(Acr::MFA)), Just(Some(Acr::PHR))];
    proptest::option::of((proofs, acr).prop_map(|(proofs, acr)| {
        let ago = |seconds| NOW.minus(Duration::from_secs(seconds));
        let who = SignedIn::new("u-1", ago(500));
        let who = proofs.into_iter().fold(who, |who, (amr, seconds)| who.proof(amr, ago(seconds)));
        acr.map_or(who.clone(), |acr| who.acr(acr))
    }))
}

/// How many kinds were proven here and brought along, counted anew from the moves.
fn apply(login: &mut Login, step: Move, stage: &Stage, methods: &[Method]) {
    match (step, stage) {
        (Move::Password, Stage::Password) => login.identify(&Subject::new("u-1"), 0, Proven::password(NOW)),
        (Move::Prove(way), Stage::Ask { authenticator, .. }) if id(way) == *authenticator => {
            login.prove(Proven::factor(&methods[way], NOW, false));
        }
        (Move::Enrol(way), Stage::Enrol { method, .. }) if methods[way].name() == method => {
            login.prove(Proven::factor(&methods[way], NOW, true));
            login.to_keep = vec![Shown::new("aaaa")];
        }
        (Move::Choose(way), Stage::Choose(_)) => {
            login.chosen = Some(AuthenticatorId::new(methods[way].name(), id(way)).to_string());
        }
        (Move::Choose(way), Stage::ChooseEnrolment(_)) => {
            login.chosen = Some(format!("{ENROL}{}", methods[way].name()));
        }
        (Move::Keep, Stage::KeepCodes) => login.to_keep.clear(),
        _ => {}
    }
}

proptest! {
    /// Whatever somebody does, in whatever order: a login is never done below what is required, and what it states rests
    /// on what was proven.
    #[test]
    fn promise_8_no_walk_is_done_below_the_requirement(
        walk in proptest::collection::vec(moves(), 0..40),
        ways in proptest::sample::subsequence(vec![0_usize, 1, 2, 3, 4], 0..=5),
        enrolable in proptest::sample::subsequence(vec![0_usize, 2, 3, 4], 0..=4),
        requirement in requirements(),
        floor in requirements(),
        wishes in proptest::sample::subsequence(vec![Acr::PHR, Acr::AAL2, Acr::MFA, Acr::AAL1], 0..=4),
        who in sessions(),
    ) {
        let (methods, table) = (methods(), AcrTable::default());
        let request = LoginRequest::new().requirement(requirement.clone()).acr_values(wishes);
        let request = match who.clone() {
            Some(who) => request.who(who),
            None => request,
        };
        let mut login = Login::begin(request, &Caller::new(id(9)), &floor, &table, NOW);
        let mut ways = ways;
        let mut steps = walk.into_iter();
        loop {
            let enrolable: &[usize] = if ways.is_empty() { &enrolable } else { &[] };
            let stage = next(&login, &view(&methods, &ways, enrolable, &floor, &table));
            if let Stage::Done(done) = &stage {
                for need in [&requirement, &floor] {
                    prop_assert!(need.met_by(done, &table, NOW), "{need:?} by {done:?}");
                }
                let here: Vec<_> = login.proven.iter().filter(|proven| !proven.brought).collect();
                let stated_strong = done.acr_value().and_then(|acr| table.strength(acr)) >= Some(2);
                let brought_strong = who.as_ref().and_then(SignedIn::acr_value).and_then(|acr| table.strength(acr)) >= Some(2);
                let kinds = login.proven.iter().fold(crate::Kinds::NONE, |kinds, proven| kinds.and(proven.kinds));
                prop_assert!(!stated_strong || brought_strong || kinds.count() >= 2, "{done:?} from {here:?}");
                prop_assert!(done.proofs().iter().all(|proof| proof.at <= NOW));
                break;
            }
            let Some(step) = steps.next() else { break };
            if let (Move::Enrol(way), Stage::Enrol { method, .. }) = (step, &stage)
                && methods[way].name() == method
            {
                ways.push(way);
            }
            apply(&mut login, step, &stage, &methods);
        }
    }
}
