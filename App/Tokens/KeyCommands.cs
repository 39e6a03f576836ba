namespace App.Tokens;

/// <summary>Signing keys from the command line: <c>App keys list|rotate|revoke KID</c>. Running processes notice within a second.</summary>
internal static class KeyCommands
{
    public static async Task<int> RunAsync(IServiceProvider services, string[] args, TextWriter output, CancellationToken ct)
    {
        await using var scope = services.CreateAsyncScope();
        var keys = scope.ServiceProvider.GetRequiredService<SigningKeys>();
        return args switch
        {
            ["list"] => await ListAsync(keys, output, ct),
            ["rotate"] => await TellAsync(await keys.RotateAsync(ct), output),
            ["revoke", var keyId] => await TellAsync(await keys.RevokeAsync(keyId, ct), output),
            _ => await UsageAsync(output),
        };
    }

    private static async Task<int> ListAsync(SigningKeys keys, TextWriter output, CancellationToken ct)
    {
        foreach (var key in await keys.ListAsync(ct))
            await output.WriteLineAsync($"{key.Id}  {key.State,-8}  created {key.CreatedAt:u}  active {key.ActivatedAt:u}  ended {key.EndedAt:u}".TrimEnd());
        return 0;
    }

    private static async Task<int> TellAsync(SigningKeys.Outcome outcome, TextWriter output)
    {
        await output.WriteLineAsync(outcome switch
        {
            SigningKeys.Outcome.Done(var current) => $"Done. {current} is the current key.",
            SigningKeys.Outcome.AtRest => "Tokens are signed with Tokens:SharedSecret. There is nothing to rotate until that setting is gone.",
            SigningKeys.Outcome.Overtaken => "Another process changed the keys at the same moment; see `keys list`.",
            _ => "No such key, or it is revoked already; see `keys list`.",
        });
        return outcome is SigningKeys.Outcome.Done ? 0 : 1;
    }

    private static async Task<int> UsageAsync(TextWriter output)
    {
        await output.WriteLineAsync("Usage: App keys list | rotate | revoke KID");
        return 2;
    }
}
