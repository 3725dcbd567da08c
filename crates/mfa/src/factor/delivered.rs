//! Codes that are sent: by SMS, by e-mail, or read out by a voice (NIST SP 800-63B-4 §3.1.3).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa_otp::{CodeAlphabet, CodeFormat, CodeHash, DeliveredCode};
use countersign_outbound::{Channel, MessageSender};
use countersign_primitives::Amr;

use super::{Challenge, Enrolled, Enrolment, Factor, FactorError, Method, Occasion, Prompt, Verdict};
use crate::Answer;

/// How a code looks and lasts, and who carries it.
#[derive(Debug, Clone)]
struct Delivered {
    channel: Channel,
    sender: Arc<dyn MessageSender>,
    format: CodeFormat,
    lifetime: Duration,
}

impl Delivered {
    const LIFETIME: Duration = Duration::from_secs(5 * 60);
    /// The longest that NIST lets a code last (SP 800-63B-4 §3.1.3.2).
    const LONGEST: Duration = Duration::from_secs(10 * 60);
    /// So many answers to one code are looked at.
    const ATTEMPTS: u32 = 5;

    fn new(channel: Channel, sender: impl MessageSender + 'static) -> Self {
        Self { channel, sender: Arc::new(sender), format: CodeFormat::default(), lifetime: Self::LIFETIME }
    }

    fn sender(&self) -> (Channel, Arc<dyn MessageSender>) {
        (self.channel, Arc::clone(&self.sender))
    }

    /// A new code: on its way to the user, and as a hash in the login's record.
    fn challenge(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        let to = enrolled.contact().ok_or(FactorError::NoContact)?;
        let code = DeliveredCode::generate(at.random(), self.format)?;
        let message = at.code_message(self.channel, to, code.expose(), self.lifetime)?;
        let prompt = match self.format.alphabet() {
            CodeAlphabet::Digits => Prompt::none().digits(self.format.length()),
            _ => Prompt::none(),
        };
        let challenge = Challenge::new(prompt, &at.hash_code(code.expose()))?;
        Ok(challenge.sends(message).attempts(Self::ATTEMPTS).expires(at.now().plus(self.lifetime)))
    }

    /// Whether it is the code, and of its exact form (M22). What the code works for is part of its hash.
    fn verify(&self, at: &Occasion<'_>, challenge: &Challenge, answer: &Answer) -> Result<Verdict, FactorError> {
        let hash: CodeHash = challenge.state()?;
        let code = answer.code_text().and_then(|typed| self.format.normalise(typed));
        Ok(Verdict::when(code.is_some_and(|code| at.is_code(&hash, code.expose()))))
    }
}

/// What the three have in common.
macro_rules! delivered {
    ($(#[$doc:meta])* $name:ident, $channel:expr, $method:literal, $title:literal, $amr:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Delivered);

        impl $name {
            /// Codes that this sender carries: six digits, for five minutes.
            #[must_use]
            pub fn new(sender: impl MessageSender + 'static) -> Self {
                Self(Delivered::new($channel, sender))
            }

            /// Another length, or letters in place of digits.
            #[must_use]
            pub fn format(mut self, format: CodeFormat) -> Self {
                self.0.format = format;
                self
            }

            /// How long a code lasts. Default: five minutes; ten at most (NIST SP 800-63B-4 §3.1.3.2).
            #[must_use]
            pub fn lifetime(mut self, lifetime: Duration) -> Self {
                self.0.lifetime = lifetime.min(Delivered::LONGEST);
                self
            }
        }

        #[async_trait]
        impl Factor for $name {
            fn method(&self) -> Method {
                Method::new($method, $title).amr([$amr]).channel($channel)
            }
            fn contact(&self) -> Option<Channel> {
                Some($channel)
            }
            fn sender(&self) -> Option<(Channel, Arc<dyn MessageSender>)> {
                Some(self.0.sender())
            }
            fn works_on_file(&self) -> bool {
                true
            }
            /// Nothing is given to the user but the first code.
            async fn enrol(&self, _: &Occasion<'_>) -> Result<Enrolment, FactorError> {
                Enrolment::new(Prompt::none(), &())
            }
            async fn challenge(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError> {
                self.0.challenge(at, enrolled)
            }
            async fn verify(
                &self,
                at: &Occasion<'_>,
                _: &Enrolled<'_>,
                challenge: &Challenge,
                answer: &Answer,
            ) -> Result<Verdict, FactorError> {
                self.0.verify(at, challenge, answer)
            }
        }
    };
}

delivered! {
    /// Codes by text message: `amr` `sms` (RFC 8176 §2). The message ends in a line that binds the code to the issuer's host, so
    /// that a phone fills it in on no other page.
    ///
    /// Numbers can be taken over by whoever talks a carrier into it: NIST calls the method restricted (SP 800-63B-4 §3.2.9) and asks
    /// for another one beside it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_mfa::{CodeAlphabet, CodeFormat, Factor, SmsCodes};
    /// # use countersign_outbound::{Message, MessageSender, SendError};
    /// # #[derive(Debug)] struct Gateway;
    /// # #[async_trait::async_trait] impl MessageSender for Gateway {
    /// #     async fn send(&self, _: &Message) -> Result<(), SendError> { Ok(()) }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sms = SmsCodes::new(Gateway).format(CodeFormat::new(8, CodeAlphabet::Digits)?).lifetime(Duration::from_secs(180));
    /// assert_eq!(sms.method().name(), "sms");
    /// # Ok(())
    /// # }
    /// ```
    SmsCodes, Channel::Sms, "sms", "SMS", Amr::Sms
}

delivered! {
    /// Codes by e-mail: `amr` `otp`, since RFC 8176 has no value of its own. A mailbox is often open to whoever knows one
    /// password, so a login that rests on it is `mfa` but not NIST's second level (SP 800-63B-4 §3.1.3.1).
    ///
    /// ```
    /// use countersign_mfa::{EmailCodes, Factor};
    /// # use countersign_outbound::{Message, MessageSender, SendError};
    /// # #[derive(Debug)] struct Mail;
    /// # #[async_trait::async_trait] impl MessageSender for Mail {
    /// #     async fn send(&self, _: &Message) -> Result<(), SendError> { Ok(()) }
    /// # }
    /// assert_eq!(EmailCodes::new(Mail).method().name(), "email");
    /// ```
    EmailCodes, Channel::Email, "email", "E-mail", Amr::Otp
}

delivered! {
    /// Codes that a voice reads out over the telephone, each sign by itself and all of them twice: `amr` `tel` (RFC 8176 §2).
    ///
    /// ```
    /// use countersign_mfa::{Factor, VoiceCodes};
    /// # use countersign_outbound::{Message, MessageSender, SendError};
    /// # #[derive(Debug)] struct Calls;
    /// # #[async_trait::async_trait] impl MessageSender for Calls {
    /// #     async fn send(&self, _: &Message) -> Result<(), SendError> { Ok(()) }
    /// # }
    /// assert_eq!(VoiceCodes::new(Calls).method().name(), "voice");
    /// ```
    VoiceCodes, Channel::Voice, "voice", "Voice call", Amr::Tel
}
