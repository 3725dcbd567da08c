// The MFA API by a client library that others wrote, unmodified: it signs in, sets up, asks, verifies, lists and removes.

import com.auth0.client.auth.AuthAPI;
import com.auth0.exception.APIException;
import com.auth0.json.auth.CreatedOobResponse;
import com.auth0.json.auth.MfaAuthenticator;
import com.auth0.json.auth.TokenHolder;
import com.auth0.net.Request;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

class Auth0Mfa {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final JsonNode settings;
    private final AuthAPI client;
    private int codesRead = 0;

    private Auth0Mfa(JsonNode settings) {
        this.settings = settings;
        this.client = AuthAPI.newBuilder(text("issuer"), text("client_id"), text("client_secret")).build();
    }

    public static void main(String[] arguments) throws Exception {
        Auth0Mfa client = new Auth0Mfa(JSON.readTree(System.in));
        switch (client.text("part")) {
            case "login" -> {
                List<String> codes = client.enrollsAPhone();
                client.asksThePhone();
                client.takesARecoveryCode(codes.get(0));
            }
            case "own token" -> client.addsAnAppAndRemovesIt(client.text("access_token"));
            default -> throw new AssertionError("no part " + client.text("part"));
        }
        System.out.println("{\"ok\": true}");
    }

    /** A first factor by SMS: set up, and confirmed by the code that was sent. */
    private List<String> enrollsAPhone() throws Exception {
        String mfaToken = mfaToken();
        same(List.of(), client.listAuthenticators(mfaToken).execute().getBody());
        CreatedOobResponse phone =
            client.addOobAuthenticator(mfaToken, List.of("sms"), "+4915112345623", null).execute().getBody();
        same("oob", phone.getAuthenticatorType());
        same("sms", phone.getOobChannel());
        same(10, phone.getRecoveryCodes().size());
        refused(oob(mfaToken, phone.getOobCode(), "000000"), 400, "invalid_grant", "Invalid binding_code.");
        TokenHolder tokens = oob(mfaToken, phone.getOobCode(), sentCode()).execute().getBody();
        same("Bearer", tokens.getTokenType());
        holds(tokens.getAccessToken() != null && tokens.getRefreshToken() != null, "tokens for who proved both");
        refused(oob(mfaToken, phone.getOobCode(), "000000"), 400, "invalid_grant", null);
        return phone.getRecoveryCodes();
    }

    /** A login by the phone; nothing more is set up with its password alone. */
    private void asksThePhone() throws Exception {
        String mfaToken = mfaToken();
        MfaAuthenticator phone = authenticator(mfaToken, "sms|");
        same("oob", phone.getAuthenticatorType());
        same("sms", phone.getOobChannel());
        holds(phone.isActive() && phone.getName().matches("\\+4915X+"), phone.getName());
        refused(client.addOtpAuthenticator(mfaToken), 403, "access_denied", "User is already enrolled");
        refused(client.mfaChallengeRequest(mfaToken, "otp", null), 400, "unsupported_challenge_type", null);
        var asked = client.mfaChallengeRequest(mfaToken, "oob", phone.getId()).execute().getBody();
        same("oob", asked.getChallengeType());
        same("prompt", asked.getBindingMethod());
        String scope = oob(mfaToken, asked.getOobCode(), sentCode()).execute().getBody().getScope();
        holds(List.of(scope.split(" ")).contains("payments"), scope);
    }

    /** A login by a recovery code, which serves once. */
    private void takesARecoveryCode(String code) throws Exception {
        var tokens = client.exchangeMfaRecoveryCode(mfaToken(), code.toCharArray()).execute().getBody();
        holds(tokens.getAccessToken() != null, "tokens for a recovery code");
        refused(
            client.exchangeMfaRecoveryCode(mfaToken(), code.toCharArray()),
            400, "invalid_grant", "Invalid recovery_code.");
    }

    /** With an access token of the API's own: another factor, what there is, and away with it. */
    private void addsAnAppAndRemovesIt(String accessToken) throws Exception {
        var app = client.addOtpAuthenticator(accessToken).execute().getBody();
        same("otp", app.getAuthenticatorType());
        holds(app.getBarcodeUri().startsWith("otpauth://totp/"), app.getBarcodeUri());
        client.exchangeMfaOtp(accessToken, appCode(app.getSecret(), 0)).execute();

        String mfaToken = mfaToken();
        same("otp", client.mfaChallengeRequest(mfaToken, "otp", null).execute().getBody().getChallengeType());
        refused(
            client.exchangeMfaOtp(mfaToken, "000000".toCharArray()), 400, "invalid_grant", "Invalid otp_code.");
        var tokens = client.exchangeMfaOtp(mfaToken, appCode(app.getSecret(), 1)).execute().getBody();
        same("Bearer", tokens.getTokenType());

        // Whoever knows the password must not take away what guards against that.
        String id = authenticator(accessToken, "totp|").getId();
        refused(client.deleteAuthenticator(mfaToken(), id), 401, "invalid_token", null);
        same(204, client.deleteAuthenticator(accessToken, id).execute().getStatusCode());
        // What rested on it has ended, the token among it.
        refused(client.listAuthenticators(accessToken), 401, "invalid_token", null);
    }

    /** Logs in by password alone, and says what the server gives to go on with. */
    private String mfaToken() throws Exception {
        var login = client.login(text("username"), text("password").toCharArray());
        login.setScope("openid payments offline_access");
        var refusal = refused(login, 403, "mfa_required", "Multifactor authentication required");
        return Objects.toString(refusal.getValue("mfa_token"));
    }

    private Request<TokenHolder> oob(String mfaToken, String oobCode, String bindingCode) {
        return client.exchangeMfaOob(mfaToken, oobCode.toCharArray(), bindingCode.toCharArray());
    }

    private MfaAuthenticator authenticator(String token, String prefix) throws Exception {
        List<MfaAuthenticator> all = client.listAuthenticators(token).execute().getBody();
        return all.stream().filter(one -> one.getId().startsWith(prefix)).findFirst().orElseThrow();
    }

    /** The code of the next message that has one; messages leave by a queue. */
    private String sentCode() throws Exception {
        for (int tries = 0; tries < 100; tries++) {
            List<String> codes;
            try (var files = Files.list(Path.of(text("outbox")))) {
                codes = files.filter(file -> file.toString().endsWith(".json")).sorted()
                    .map(file -> read(file).path("code")).filter(JsonNode::isTextual).map(JsonNode::asText).toList();
            }
            if (codes.size() > codesRead) return codes.get(codesRead++);
            Thread.sleep(50);
        }
        throw new AssertionError("no message " + codesRead + " with a code came");
    }

    private static JsonNode read(Path file) {
        try {
            return JSON.readTree(file.toFile());
        } catch (IOException error) {
            throw new AssertionError(file.toString(), error);
        }
    }

    /** What an authenticator app shows in a step from now (RFC 6238). */
    private static char[] appCode(String secret, int steps) throws Exception {
        BigInteger bits = BigInteger.ONE; // keeps the zeros at the front
        for (char symbol : secret.toCharArray()) {
            bits = bits.shiftLeft(5).or(BigInteger.valueOf("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(symbol)));
        }
        int length = secret.length() * 5 / 8;
        byte[] marked = bits.shiftRight(secret.length() * 5 % 8).toByteArray();
        Mac mac = Mac.getInstance("HmacSHA1");
        mac.init(new SecretKeySpec(marked, marked.length - length, length, "HmacSHA1"));
        long step = Instant.now().getEpochSecond() / Duration.ofSeconds(30).toSeconds() + steps;
        byte[] digest = mac.doFinal(ByteBuffer.allocate(8).putLong(step).array());
        int number = ByteBuffer.wrap(digest).getInt(digest[19] & 15) & 0x7fffffff;
        return String.format("%06d", number % 1_000_000).toCharArray();
    }

    /** The library says by an exception of its own what the server said; without a description any will do. */
    private static APIException refused(Request<?> request, int status, String error, String description)
        throws Exception {
        try {
            request.execute();
        } catch (APIException refusal) {
            String said = refusal.getError() + ": " + refusal.getDescription();
            same(status, refusal.getStatusCode());
            holds(error.equals(refusal.getError()), said);
            holds(description == null || description.equals(refusal.getDescription()), said);
            return refusal;
        }
        throw new AssertionError("not refused: " + error);
    }

    private static void same(Object wanted, Object found) {
        holds(wanted.equals(found), "wanted " + wanted + ", found " + found);
    }

    private static void holds(boolean claim, String said) {
        if (!claim) throw new AssertionError(said);
    }

    private String text(String name) {
        return settings.path(name).asText();
    }
}
