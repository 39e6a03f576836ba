namespace App.Factors;

/// <summary>What people call the thing that keeps a passkey, by the model id (AAGUID) that it gave at registration. Unattested, so it decides nothing.</summary>
internal static class AuthenticatorName
{
    private static readonly Dictionary<Guid, string> Known = Read();

    // WebAuthn section 6.1: 32 bytes of hash, one of flags, four of counter; then the AAGUID.
    private const int Offset = 37;

    public static string? Of(byte[] attestationObject)
    {
        // In the CBOR map: the key "authData" as a text of eight, then a byte string with its length in one or two bytes.
        var at = attestationObject.AsSpan().IndexOf("hauthData"u8);
        if (at < 0) return null;
        var rest = attestationObject.AsSpan(at + 9);
        var start = rest switch { [0x58, ..] => 2, [0x59, ..] => 3, _ => rest.Length };
        return rest.Length >= start + Offset + 16 ? Known.GetValueOrDefault(new Guid(rest.Slice(start + Offset, 16), bigEndian: true)) : null;
    }

    private static Dictionary<Guid, string> Read()
    {
        using var reader = new StreamReader(typeof(AuthenticatorName).Assembly.GetManifestResourceStream("App.Factors.Aaguids.txt")!);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ', 2)).ToDictionary(pair => Guid.Parse(pair[0]), pair => pair[1].Trim());
    }
}
