namespace App.Strategies;

/// <summary>The ways in which a service learns who is calling; the last is what the others are measured against.</summary>
public enum Strategy { Asks, Gateway, Checks, KeyAlone }

/// <summary>We, as a service knows us.</summary>
/// <param name="Url">Where we are reached.</param>
/// <param name="Cookie">The name of the cookie that carries the token.</param>
internal sealed record Neighbour(Uri Url, string Issuer, string Audience, string Cookie);

/// <summary>How a service proves to us who it is.</summary>
internal sealed record Credentials(string Id, string Secret)
{
    public override string ToString() => Id;
}
