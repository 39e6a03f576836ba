namespace App.Admin;

/// <summary>People from the command line: <c>App users grant|revoke EMAIL admin</c>, which is how the first admin is made, and <c>App users lock|unlock EMAIL</c>.</summary>
internal static class UserCommands
{
    public const string Usage = "users grant | revoke EMAIL admin, or lock | unlock EMAIL";

    private const string OnlyAdmin = "Refused: this is the only admin, and nobody would be left to look after the service. Make somebody else one first: App users grant EMAIL admin";
    private const string Nobody = "There is no account with this e-mail.";

    public static async Task<int> RunAsync(IServiceProvider services, string[] args, TextWriter output, CancellationToken ct)
    {
        await using var scope = services.CreateAsyncScope();
        switch (args)
        {
            case [("grant" or "revoke") and var verb, var email, Roles.Admin]:
                var changed = await scope.ServiceProvider.GetRequiredService<ChangeRole>().RunAsync(email, Roles.Admin, verb == "grant", ct);
                await output.WriteLineAsync(changed switch
                {
                    ChangeRole.Outcome.Changed => "Done. It shows in their next token.",
                    ChangeRole.Outcome.AlreadySo => "It is so already.",
                    ChangeRole.Outcome.OnlyAdmin => OnlyAdmin,
                    _ => Nobody + " Sign up first.",
                });
                return changed is ChangeRole.Outcome.Changed or ChangeRole.Outcome.AlreadySo ? 0 : 1;
            case [("lock" or "unlock") and var verb, var email]:
                var outcome = await scope.ServiceProvider.GetRequiredService<LockAccount>().RunAsync(email, verb == "lock", ct);
                await output.WriteLineAsync(outcome switch
                {
                    LockAccount.Outcome.Done when verb == "lock" => "Done. Their sessions have ended, and they can't sign in until you unlock the account.",
                    LockAccount.Outcome.Done => "Done. They can sign in again.",
                    LockAccount.Outcome.OnlyAdmin => OnlyAdmin,
                    _ => Nobody,
                });
                return outcome is LockAccount.Outcome.Done ? 0 : 1;
            default:
                await output.WriteLineAsync("Usage: App " + Usage);
                return 2;
        }
    }
}
