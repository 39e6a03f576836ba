namespace App.Events;

/// <summary>
/// Signs the payload of a Security Event Token with the current key, under <c>typ</c> <c>secevent+jwt</c> (RFC 8417 section 2.3).
/// The keys belong to a slice above this one, which registers it.
/// </summary>
/// <param name="Sign">Takes the claims as UTF-8 JSON and gives the compact JWS.</param>
/// <param name="KeyId">The id of the key that signs now.</param>
internal sealed record SetSigner(Func<ReadOnlyMemory<byte>, string> Sign, Func<string> KeyId);
