using System.Reflection;
using App.Admin;
using App.Data;
using App.Events;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.SqlServer.TransactSql.ScriptDom;

namespace App.Tests.Data;

/// <summary>No SQL Server is needed to see what its parser refuses, and the guard of PlainSql's texts (<see cref="WatchedSqlite"/>) is red where it should be.</summary>
public sealed class SqlServerTextTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private static readonly string[] Statements = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "];

    [Fact]
    public async Task The_script_of_the_migrations_is_SQL_Servers()
    {
        var script = SqlServerText.Parse(await File.ReadAllTextAsync(Repository.PathOf("App.Tests", "Data", "sqlserver.sql")), out var faults);
        Assert.Empty(faults);
        var inner = new Executed();
        script.Accept(inner);
        Assert.NotEmpty(inner.Texts);
        Assert.All(inner.Texts, text =>
        {
            SqlServerText.Parse(text, out var faults);
            Assert.Empty(faults);
        });
    }

    [Theory]
    [InlineData("""SELECT "Value" FROM "EventCounter" LIMIT 1""", "Incorrect syntax near 'LIMIT'")]
    [InlineData("""INSERT OR IGNORE INTO "UsedChallenges" ("Key", "ExpiresAt") VALUES (@key, @until)""", "Incorrect syntax near")]
    [InlineData("""SELECT 1 FROM "Sessions" WHERE "Amr" || "Address" = @a""", "Incorrect syntax near '|'")]
    [InlineData("""DELETE FROM "GuessLimits" WHERE Key = @key""", "Incorrect syntax near")]
    [InlineData("""UPDATE "EventCounter" SET "Value" = MAX("Value", "PrunedTo")""", "FunctionCall isn't known: MAX(\"Value\", \"PrunedTo\")")]
    [InlineData("""SELECT COUNT(*) FROM "Sessions" """, "FunctionCall isn't known: COUNT(*)")]
    [InlineData("""SELECT 1 FROM "AspNetUsers" WHERE "EmailConfirmed" = TRUE""", "no column TRUE")]
    [InlineData("""SELECT 1 FROM "AspNetUsers" WHERE "EmailConfirmed" = 1 AND "Nick" IS NULL""", "no column Nick")]
    [InlineData("""SELECT CASE WHEN EXISTS (SELECT 1 FROM "Sessions" ORDER BY "Id") THEN 1 ELSE 0 END""", "The ORDER BY clause is not valid")]
    [InlineData("""SELECT 1 FROM "GuessLimits" g JOIN "AspNetUsers" u ON u."NormalizedEmail" = g."Key" """, "nvarchar beside varchar")]
    [InlineData("""SELECT 1 WHERE @a IS NULL""", "@a is nowhere beside a column")]
    [InlineData("""DELETE FROM "Sessions"; DELETE FROM "Audit" """, "2 statements")]
    public void A_text_that_SQL_Server_refuses_is_a_fault(string text, string fault) =>
        Assert.Contains(SqlServerText.Of(text, shared.App).Faults, f => f.Contains(fault, StringComparison.Ordinal));

    [Theory]
    [InlineData("""SELECT 1 FROM "GuessLimits" WHERE "Key" = @value""", "a", false)]
    [InlineData("""SELECT 1 FROM "GuessLimits" WHERE "Key" = CAST(@value AS varchar(43))""", "a", true)]
    [InlineData("""SELECT 1 FROM "AspNetUsers" WHERE "NormalizedEmail" = @value""", "a", true)]
    [InlineData("""SELECT 1 FROM "AspNetUsers" WHERE "Id" = @value""", "a", false)]
    [InlineData("""SELECT 1 FROM "AspNetUsers" WHERE "EmailConfirmed" = @value""", 1, false)]
    [InlineData("""UPDATE "Sessions" SET "ParentHash" = @value""", null, false)]
    [InlineData("""UPDATE "Sessions" SET "RotatedAt" = @value""", null, true)]
    [InlineData("""UPDATE "GuessLimits" SET "Key" = @value""", "a", true)]
    [InlineData("""DELETE FROM "GuessLimits" WHERE "Version" = @value - 1""", 1L, true)]
    [InlineData("""DELETE FROM "GuessLimits" WHERE "Version" = @value - 1""", "1", false)]
    public void A_value_that_SQL_Server_converts_badly_is_a_fault(string text, object? value, bool fits)
    {
        var read = SqlServerText.Of(text, shared.App);
        Assert.Empty(read.Faults);
        Assert.Equal(fits, !read.FaultsOf("@value", value).Any());
    }

    [Theory]
    [InlineData("\"Failures\"", typeof(int), true)]
    [InlineData("\"Failures\"", typeof(long), false)]
    [InlineData("\"Version\"", typeof(int), false)]
    [InlineData("MAX(\"Version\")", typeof(long), true)]
    [InlineData("\"LastAt\"", typeof(long), false)]
    [InlineData("\"Key\"", typeof(string), true)]
    [InlineData("CASE WHEN EXISTS (SELECT 1 FROM \"Sessions\") THEN 1 ELSE 0 END", typeof(bool), false)]
    [InlineData("(SELECT MAX(\"Seconds\") FROM \"TokenLives\")", typeof(int), true)]
    public void A_column_that_is_read_as_what_it_is_not_is_a_fault(string column, Type type, bool fits)
    {
        var read = SqlServerText.Of($"SELECT {column} FROM \"GuessLimits\" WHERE {(fits ? 1 : 2)} = 1", shared.App);
        Assert.Empty(read.Faults);
        read.Read(0, type);
        Assert.Equal(fits, !read.Faults.Any());
    }

    [Fact] // Or whoever adds a text would have to think of this.
    public async Task The_test_that_runs_such_a_text_fails()
    {
        var app = TestApp.Start();
        await app.DbAsync(db => db.ExistsAsync("""SELECT 1 FROM "EventCounter" LIMIT 1""", CancellationToken.None));
        await app.DbAsync(async db =>
        {
            var seconds = 0L;
            await db.ReadAsync("""SELECT "Id" FROM "EventCounter" """, row => seconds = row.GetInt64(0), CancellationToken.None);
            return seconds;
        });
        var failure = await Assert.ThrowsAnyAsync<Exception>(async () => await app.DisposeAsync());
        Assert.Contains("LIMIT 1", failure.Message, StringComparison.Ordinal);
        Assert.Contains("column 0, int, is read as Int64", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_test_that_asks_while_it_reads_fails()
    {
        var app = TestApp.Start();
        await app.DbAsync(async db =>
        {
            await foreach (var counter in db.EventCounter.AsNoTracking().AsAsyncEnumerable()) await db.Users.CountAsync();
            return await db.Users.CountAsync();
        });
        var failure = await Assert.ThrowsAnyAsync<Exception>(async () => await app.DisposeAsync());
        Assert.Contains("run while another result is being read", failure.Message, StringComparison.Ordinal);
    }

    [Fact] // Also the one that SQLite is never given.
    public void Every_statement_among_the_constants_is_SQL_Servers()
    {
        var constants = typeof(AppDb).Assembly.GetTypes().SelectMany(type => type.GetFields(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public))
            .Where(field => field.IsLiteral && field.FieldType == typeof(string)).Select(field => (string)field.GetRawConstantValue()!).ToList();
        var statements = constants.Where(text => Statements.Any(start => text.TrimStart().StartsWith(start, StringComparison.Ordinal))).ToList();
        Assert.InRange(statements.Count, 15, 200);
        Assert.All(statements, text => Assert.Empty(SqlServerText.Of(text, shared.App).Faults));
        var calls = constants.Where(text => text.StartsWith("EXEC ", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(calls);
        Assert.All(calls, text =>
        {
            SqlServerText.Parse(text, out var faults);
            Assert.Empty(faults);
        });
    }

    [Fact]
    public async Task A_query_that_SQL_Server_has_no_word_for_fails_the_test_that_runs_it()
    {
        var app = TestApp.Start();
        List<string> names = ["a", "b"];
        await app.DbAsync(db => db.Users.Where(user => EF.Functions.Glob(user.Name!, "a*")).CountAsync());
        await app.DbAsync(db => db.Users.Where(user => user.CreatedAt > app.Time.GetUtcNow() && names.Contains(user.Name!)).OrderBy(user => user.Id).Take(3).ToListAsync());
        var failure = await Assert.ThrowsAnyAsync<Exception>(async () => await app.DisposeAsync());
        Assert.Contains("Glob", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("CreatedAt", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task People_are_looked_for_in_SQL_Servers_own_way() =>
        Assert.Null(await SqlServerTwin.FaultOfAsync(db => new FindUsers(db).ListAsync("anna", null, 10, CancellationToken.None)));

    [Fact] // PlainSql keeps a command for as long as its transaction lasts, and gives its parameters one value after the other.
    public void The_driver_takes_the_type_of_each_value_anew()
    {
        var parameter = new SqlParameter("@value", DBNull.Value);
        foreach (object value in new object[] { DateTimeOffset.UnixEpoch, DBNull.Value, Guid.Empty, new byte[] { 1 }, "text", 1L })
        {
            parameter.Value = value;
            Assert.Equal(new SqlParameter("@value", value).SqlDbType, parameter.SqlDbType);
        }

        parameter.Value = new byte[40];
        Assert.Equal(40, parameter.Size);
        parameter.Value = new byte[90];
        Assert.Equal(90, parameter.Size);
    }

    private sealed class Executed : TSqlFragmentVisitor
    {
        public List<string> Texts { get; } = [];

        public override void Visit(ExecutableStringList node) => Texts.AddRange(node.Strings.OfType<StringLiteral>().Select(text => text.Value));
    }
}
