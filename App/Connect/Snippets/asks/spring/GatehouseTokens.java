import java.util.Collection;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.oauth2.server.resource.introspection.*;

/** For Spring Security 6.5 or newer. Gatehouse is asked each time (RFC 7662), so nothing here can be out of date. */
@Configuration
class GatehouseTokens {
    @Bean
    OpaqueTokenIntrospector introspector(
            @Value("${gatehouse.issuer}") String issuer, @Value("${gatehouse.audience}") String audience,
            @Value("${gatehouse.client-id}") String id, @Value("${gatehouse.client-secret}") String secret) {
        var gatehouse = SpringOpaqueTokenIntrospector.withIntrospectionUri(issuer + "/connect/introspect").clientId(id).clientSecret(secret).build();
        return token -> {
            var caller = gatehouse.introspect(token);
            var claims = caller.getAttributes();
            // A refresh token, or a service's own, is active too, but nobody is calling with it.
            var forUs = claims.get("aud") instanceof Collection<?> all && all.contains(audience);
            if (!forUs || !"Bearer".equals(claims.get("token_type")) || !(claims.get("sid") instanceof String))
                throw new BadOpaqueTokenException("Nobody is calling with this token.");
            return caller;
        };
    }
}
