using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using App.Data;
using App.Tests.Ops;
using Microsoft.AspNetCore.Builder;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Data;

public sealed class SqlServerPatienceTests
{
    [Theory]
    [InlineData("Server=db", 2, 2)]
    [InlineData("Server=db;Connect Timeout=7", 7, 2)]
    [InlineData("Server=db;Connection Timeout=7;Command Timeout=9", 7, 9)]
    [InlineData("Server=db;Timeout=15", 15, 2)]
    public void What_the_connection_string_says_goes_before(string given, int connect, int command)
    {
        var used = new SqlConnectionStringBuilder(SqlServerPatience.In(given));
        Assert.Equal(("db", connect, command), (used.DataSource, used.ConnectTimeout, used.CommandTimeout));
    }

    [Fact] // EF Core's own strategy would wrap it, and whoever catches the database's exceptions would miss, on SQL Server alone, those that pass by themselves.
    public async Task What_may_pass_by_itself_reaches_who_catches_it_as_what_it_is()
    {
        await using var app = TestApp.Start();
        using var scope = app.Services.CreateScope();
        var strategy = scope.ServiceProvider.GetRequiredService<SqlServerDb>().Database.CreateExecutionStrategy();
        await Assert.ThrowsAsync<TimeoutException>(() => strategy.ExecuteAsync(() => Task.FromException(new TimeoutException())));
    }

    [Fact]
    public async Task A_server_that_never_answers_is_503_after_two_seconds()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        await using var host = await OpsHost.StartAsync(
            app => app.MapGet("/api/users/count", (AppDb db) => db.Users.CountAsync()),
            services => services.AddData(),
            settings: ["Database:Provider=SqlServer", $"ConnectionStrings:Default=Server=127.0.0.1,{((IPEndPoint)silent.LocalEndpoint).Port};Database=x;User Id=x;Password=x"]);

        var begun = Stopwatch.GetTimestamp();
        using var answer = await host.SendAsync(HttpMethod.Get, "/api/users/count");
        await ErrorAnswersTests.AssertProblemAsync(answer, 503);
        Assert.InRange(Stopwatch.GetElapsedTime(begun), TimeSpan.Zero, TimeSpan.FromSeconds(5)); // a loaded machine is no fault; 15 would be
    }
}
