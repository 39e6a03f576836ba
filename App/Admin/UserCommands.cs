namespace App.Admin;

/// <summary>People from the command line: <c>App users grant|revoke EMAIL admin</c>, which is how the first admin is made.</summary>
internal static class UserCommands
{
    public const string Usage = "users grant | revoke EMAIL admin";

    public static async Task<int> RunAsync(IServiceProvider services, string[] args, TextWriter output, CancellationToken ct)
    {
        if (args is not [("grant" or "revoke") and var verb, var email, Roles.Admin])
        {
            await output.WriteLineAsync("Usage: App " + Usage);
            return 2;
        }

        await using var scope = services.CreateAsyncScope();
        var outcome = await scope.ServiceProvider.GetRequiredService<ChangeRole>().RunAsync(email, Roles.Admin, verb == "grant", ct);
        await output.WriteLineAsync(outcome switch
        {
            ChangeRole.Outcome.Changed => "Done. It shows in their next token.",
            ChangeRole.Outcome.AlreadySo => "It is so already.",
            ChangeRole.Outcome.OnlyAdmin => "Refused: this is the only admin, and nobody would be left to look after the service. Make somebody else one first: App users grant EMAIL admin",
            _ => "There is no account with this e-mail. Sign up first.",
        });
        return outcome is ChangeRole.Outcome.Changed or ChangeRole.Outcome.AlreadySo ? 0 : 1;
    }
}
