import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.oauth2.core.*;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.*;

/** For Spring Security 6.5 or newer, whose own default takes RS256 and the type JWT; these tokens are ES256 and at+jwt (RFC 9068). */
@Configuration
class GatehouseTokens {
    @Bean
    JwtDecoder jwtDecoder(@Value("${gatehouse.issuer}") String issuer, @Value("${gatehouse.audience}") String audience) {
        var decoder = NimbusJwtDecoder.withJwkSetUri(issuer + "/.well-known/jwks.json")
            .jwsAlgorithm(SignatureAlgorithm.ES256).validateType(false).build();
        decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
            new JwtTimestampValidator(), new JwtIssuerValidator(issuer), new JwtAudienceValidator(audience), new JwtTypeValidator("at+jwt"), GatehouseTokens::isPerson));
        return decoder;
    }

    // A service's own token is good too, but nobody is calling with it: it has no session, and no id beside its subject.
    private static OAuth2TokenValidatorResult isPerson(Jwt token) {
        return token.hasClaim("sid") && token.hasClaim("id") && token.getClaimAsString("id").equals(token.getSubject())
            ? OAuth2TokenValidatorResult.success()
            : OAuth2TokenValidatorResult.failure(new OAuth2Error("invalid_token", "Nobody is calling with this token.", null));
    }
}
