using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Collections;
using System.Text;
using App.E2E.Harness;

namespace App.E2E.Processes;

/// <summary>KEY-02: nothing that opens a door is ever written to a log; runs after every other test.</summary>
[Collection(LogsLast.Name)]
public sealed class LogTests
{
    [Fact]
    public void The_logs_of_the_whole_run_hold_no_token_no_password_and_no_refresh_token()
    {
        var logs = Directory.GetFiles(TestRun.Logs);
        Assert.NotEmpty(logs);
        foreach (var log in logs)
        {
            var text = File.ReadAllBytes(log);
            var token = TokenIn(text);
            if (token >= 0) Assert.Fail($"{log} holds a token, after: {Before(text, token)}");
            AssertHoldsNoSecret(log, text);
        }
    }

    [Fact]
    public void The_data_folders_of_the_whole_run_hold_no_password_and_no_refresh_token() => Parallel.ForEach(
        Directory.GetDirectories(TestRun.Folder, "data-*").SelectMany(folder => Directory.GetFiles(folder, "*", SearchOption.AllDirectories)),
        file => AssertHoldsNoSecret(file, File.ReadAllBytes(file)));

    [Fact]
    public void A_secret_is_found_wherever_it_stands()
    {
        var secret = Encoding.UTF8.GetBytes(TestRun.Secrets.Keys.First());
        foreach (var text in new byte[][] { secret, [1, .. secret], [.. secret, 1] }) Assert.ThrowsAny<Exception>(() => AssertHoldsNoSecret("a text", text));
        AssertHoldsNoSecret("a text", secret.AsSpan(1));
        foreach (var token in new[] { """{"alg":"ES256","typ":"at+jwt"}""", """{"jwt":"eyJhbGciOiJ"}""", """{"x5t#S256":"x"}""" })
            Assert.Equal(10, TokenIn(Encoding.ASCII.GetBytes("eyJ, then " + Convert.ToBase64String(Encoding.ASCII.GetBytes(token)))));
        Assert.Equal(-1, TokenIn("the connection eyJ0vYx3QeyJ8wKZk1rT"u8));
    }

    // Where a token begins. Its three first letters alone are spelled now and then by what is random; what they begin is an object of JSON.
    private static int TokenIn(ReadOnlySpan<byte> text)
    {
        Span<byte> json = stackalloc byte[12];
        for (var at = 0; text[at..].IndexOf("eyJ"u8) is >= 0 and var next; at++)
        {
            at += next;
            if (at + 16 > text.Length || Base64.DecodeFromUtf8(text.Slice(at, 16), json, out _, out var read) != OperationStatus.Done) continue;
            if (!json[..read].ContainsAnyExceptInRange((byte)' ', (byte)'~')) return at;
        }

        return -1;
    }

    // Thousands of secrets in hundreds of files: looked up by their last eight bytes, which are random where first ones tell the time.
    private static readonly Lazy<(BitArray Some, ILookup<ulong, (byte[] Text, string What)> All)> Secrets = new(() =>
    {
        var all = TestRun.Secrets.Select(secret => (Text: Encoding.UTF8.GetBytes(secret.Key), What: secret.Value)).ToLookup(secret => End(secret.Text, secret.Text.Length));
        var some = new BitArray(ushort.MaxValue + 1);
        foreach (var secret in all) some[Hash(secret.Key)] = true;
        return (some, all);
    });

    private static void AssertHoldsNoSecret(string file, ReadOnlySpan<byte> text)
    {
        var (some, all) = Secrets.Value;
        for (var end = sizeof(ulong); end <= text.Length; end++)
        {
            var key = End(text, end);
            if (!some[Hash(key)]) continue;
            foreach (var (secret, what) in all[key])
                if (text[..end].EndsWith(secret)) Assert.Fail($"{file} holds {what}, after: {Before(text, end - secret.Length)}");
        }
    }

    private static ulong End(ReadOnlySpan<byte> text, int end) => BinaryPrimitives.ReadUInt64LittleEndian(text[(end - sizeof(ulong))..end]);

    private static int Hash(ulong end) => (int)((end * 0x9E3779B97F4A7C15) >> 48);

    private static string Before(ReadOnlySpan<byte> text, int at) => Encoding.Latin1.GetString(text[Math.Max(0, at - 200)..at]);
}
