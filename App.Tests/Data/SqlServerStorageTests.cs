using Microsoft.Data.SqlClient;

namespace App.Tests.Data;

/// <summary>The same contract on a SQL Server, where the environment names one: a database of its own for this run, dropped afterwards.</summary>
[NeedsVariable(SqlServer.Variable)]
public sealed class SqlServerStorageTests(SqlServerStorageTests.SqlServer apps) : StorageContract(apps), IClassFixture<SqlServerStorageTests.SqlServer>
{
    public sealed class SqlServer : Apps
    {
        public const string Variable = "ConnectionStrings__SqlServer";

        private readonly string? _server = Environment.GetEnvironmentVariable(Variable);
        private TestApp? _one;
        private TestApp? _two;

        public override TestApp One => _one!;

        public override TestApp Two => _two!;

        public override Task InitializeAsync()
        {
            if (string.IsNullOrEmpty(_server)) return Task.CompletedTask;
            var own = new SqlConnectionStringBuilder(_server) { InitialCatalog = $"gatehouse_test_{Guid.NewGuid():N}" };
            (string, string?)[] settings = [("Database:Provider", "SqlServer"), ("ConnectionStrings:Default", own.ToString())];
            _one = TestApp.Start(settings);
            _ = _one.Services;
            _two = _one.StartReplica(settings);
            return Task.FromResult(_two.Services);
        }

        public override async Task DisposeAsync()
        {
            if (_two is not null) await _two.DisposeAsync();
            if (_one is null) return;
            await _one.DbAsync(db => db.Database.EnsureDeletedAsync());
            await _one.DisposeAsync();
        }
    }

    [StorageFact]
    public async Task It_is_SQL_Server_that_these_tests_ran_on() =>
        Assert.Equal("Microsoft.EntityFrameworkCore.SqlServer", await apps.One.DbAsync(db => Task.FromResult(db.Database.ProviderName)));
}
