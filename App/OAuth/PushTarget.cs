using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using App.Data;
using App.Events;
using App.Push;
using App.Ui;

namespace App.OAuth;

/// <summary>Where a service wants its events pushed, as its owner says it; one set of rules for pages, endpoints and settings.</summary>
/// <param name="Secret">What we send as a bearer token (RFC 6750), so that the receiver knows us; null where it asks for none.</param>
internal sealed partial record PushTarget(string Url, string? Secret)
{
    public const int LongestUrl = PushAddress.LongestUrl;
    public const int LongestSecret = 512;

    public IEnumerable<Fault> Faults(PushOptions options)
    {
        if (PushAddress.FaultOf(Url, options.AllowPrivateNetworks) is { } fault) yield return fault;
        if (Secret is not null && !Token().IsMatch(Secret)) yield return new Fault($"A receiver's secret is 16 to {LongestSecret} letters, digits and characters of -._~+/, with = only at its end", "secret", () => Sentence.With(Text.BadReceiverSecret, LongestSecret));
    }

    public override string ToString() => Url;

    [GeneratedRegex(@"\A(?=.{16,512}\z)[A-Za-z0-9._~+/-]+=*\z")]
    private static partial Regex Token();
}

/// <summary>Keeps targets in the registry's rows: the secret encrypted, and bound to the service that it is of.</summary>
internal sealed class PushTargets(MasterKey masterKey)
{
    public void Set(OAuthClient client, PushTarget? target)
    {
        client.PushUrl = target?.Url;
        client.PushSecret = target?.Secret is { } secret ? masterKey.Encrypt(Encoding.UTF8.GetBytes(secret), Purpose(client)) : null;
    }

    public PushTarget? Of(OAuthClient client) => client.PushUrl is { } url ? new PushTarget(url, client.PushSecret is { } secret ? Decrypt(secret, client) : null) : null;

    public PushReceiver? ReceiverOf(OAuthClient client) =>
        Of(client) is { } target ? new PushReceiver(new CallingService(client.ClientId!, client.Audience), new Uri(target.Url), target.Secret) : null;

    // Under another master key it is as if there were none: the receiver will say so, and an admin gives it anew.
    private string? Decrypt(byte[] secret, OAuthClient client)
    {
        try
        {
            return Encoding.UTF8.GetString(masterKey.Decrypt(secret, Purpose(client)));
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static string Purpose(OAuthClient client) => "push secret of " + client.ClientId;
}
