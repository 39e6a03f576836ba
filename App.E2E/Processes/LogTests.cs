using System.Buffers;
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
            var text = File.ReadAllText(log);
            var token = text.IndexOf("eyJ", StringComparison.Ordinal);
            if (token >= 0) Assert.Fail($"{log} holds a token, after: {text[Math.Max(0, token - 200)..token]}");
            AssertHoldsNoSecret(log, text);
        }
    }

    [Fact]
    public void The_data_folders_of_the_whole_run_hold_no_password_and_no_refresh_token()
    {
        foreach (var file in Directory.GetDirectories(TestRun.Folder, "data-*").SelectMany(folder => Directory.GetFiles(folder, "*", SearchOption.AllDirectories)))
            AssertHoldsNoSecret(file, Encoding.Latin1.GetString(File.ReadAllBytes(file)));
    }

    // All of them at once: one after the other, it took longer than any journey.
    private static readonly Lazy<SearchValues<string>> Secrets = new(() => SearchValues.Create([.. TestRun.Secrets.Keys], StringComparison.Ordinal));

    private static void AssertHoldsNoSecret(string file, string text)
    {
        var at = text.AsSpan().IndexOfAny(Secrets.Value);
        if (at < 0) return;
        var what = TestRun.Secrets.First(secret => text.AsSpan(at).StartsWith(secret.Key)).Value;
        Assert.Fail($"{file} holds {what}, after: {text[Math.Max(0, at - 200)..at]}");
    }
}
