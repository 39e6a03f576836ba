using App.Data;

namespace App.Accounts;

/// <summary>Which password is in force: asked in the transaction of what it led to, with every sign-in.</summary>
internal static class PasswordSql
{
    private const string Find = """SELECT "PasswordHash" FROM "AspNetUsers" WHERE "Id" = @id""";

    extension(AppDb db)
    {
        /// <returns>Null also where there is no such user any more.</returns>
        public async Task<string?> FindPasswordHashAsync(Guid userId, CancellationToken ct)
        {
            string? found = null;
            await db.ReadAsync(Find, row => found = row.TextOrNull(0), ct, ("@id", userId));
            return found;
        }
    }
}
