using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using App.Mail;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Attacks;

/// <summary>
/// STATE0 of ATTACKS.md: every row of every table, hashed, so that a refusal can show that it changed nothing.
/// Guesses are counted on purpose and left out. Where one of them leaves a trace for the owner, tests leave out <c>Audit</c> as well, and <c>sqlite_sequence</c>, which counts its rows.
/// </summary>
internal static class State
{
    private static readonly string[] Counted = ["GuessLimits"];

    public static async Task<string> OfAsync(TestApp app, params string[] alsoLeftOut)
    {
        // The background writes the letters of what was done before in its own time: not between two looks.
        await app.Get<SendLetters>().RunOnceAsync(CancellationToken.None);
        var state = new StringBuilder();
        foreach (var (table, rows) in await ReadAsync(app))
        {
            if (Counted.Contains(table) || alsoLeftOut.Contains(table)) continue;
            state.AppendLine(System.Globalization.CultureInfo.InvariantCulture, $"{table} {rows.Count} {Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', rows))))}");
        }

        return state.ToString();
    }

    /// <summary>All there is in the database, as text: to look for what must not be in it.</summary>
    public static async Task<string> TextAsync(TestApp app) =>
        string.Join('\n', (await ReadAsync(app)).Select(t => t.Key + "\n" + string.Join('\n', t.Value)));

    private static Task<SortedDictionary<string, List<string>>> ReadAsync(TestApp app) => app.DbAsync(async db =>
    {
        await using var connection = new SqliteConnection(db.Database.GetConnectionString());
        await connection.OpenAsync();
        var tables = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var name in await RowsAsync(connection, "SELECT name FROM sqlite_master WHERE type = 'table'"))
            tables[name] = await RowsAsync(connection, $"SELECT * FROM \"{name}\"");
        return tables;
    });

    private static async Task<List<string>> RowsAsync(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The names come from the database's own catalogue.
        command.CommandText = sql;
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
        {
            var cells = new object[reader.FieldCount];
            reader.GetValues(cells);
            rows.Add(string.Join('|', cells.Select(c => c is byte[] bytes ? Convert.ToHexString(bytes) + " " + Encoding.Latin1.GetString(bytes) : Convert.ToString(c, System.Globalization.CultureInfo.InvariantCulture))));
        }

        rows.Sort(StringComparer.Ordinal);
        return rows;
    }
}
