using App.Data;
using App.Shared;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Data;

public sealed class StorageSettingsTests
{
    [Theory]
    [InlineData(DatabaseProvider.Sqlite, null, null)]
    [InlineData(DatabaseProvider.Sqlite, "Data Source=x.db", null)]
    [InlineData(DatabaseProvider.Sqlite, "Data Source=file:/var/lib/x.db?cache=shared", "ConnectionStrings:Default")]
    [InlineData(DatabaseProvider.Sqlite, "Foo=bar", "ConnectionStrings:Default")]
    [InlineData(DatabaseProvider.Sqlite, "Data Source=:memory:", "ConnectionStrings:Default")] // gone with each connection
    [InlineData(DatabaseProvider.Sqlite, "Data Source=x.db;Mode=Memory", "ConnectionStrings:Default")]
    [InlineData(DatabaseProvider.Sqlite, "Cache=Shared", "ConnectionStrings:Default")]
    [InlineData(DatabaseProvider.SqlServer, null, "ConnectionStrings:Default")]
    [InlineData(DatabaseProvider.SqlServer, "Server=db;Database=gatehouse;User Id=app", null)]
    [InlineData(DatabaseProvider.SqlServer, "nonsense", "ConnectionStrings:Default")]
    public void A_connection_string_that_cannot_work_is_told_by_name_and_never_shown(DatabaseProvider provider, string? text, string? fault)
    {
        var faults = Faults(provider, text, "data").ToList();
        if (fault is null) Assert.Empty(faults);
        else Assert.StartsWith(fault, Assert.Single(faults), StringComparison.Ordinal);
        if (text is not null) Assert.DoesNotContain(faults, f => f.Contains(text, StringComparison.Ordinal));
    }

    [Fact]
    public void A_data_folder_that_is_a_file_is_told()
    {
        var file = Path.GetTempFileName();
        Assert.StartsWith("DataDir", Assert.Single(Faults(DatabaseProvider.Sqlite, null, file)), StringComparison.Ordinal);
        File.Delete(file);
    }

    [Fact]
    public void The_data_folder_is_its_owners_alone()
    {
        if (OperatingSystem.IsWindows()) return; // modes are Unix's
        var parent = Directory.CreateTempSubdirectory("gatehouse-");
        var folder = Path.Combine(parent.FullName, "data");
        PrivateFolder.Ensure(folder);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
        parent.Delete(recursive: true);
    }

    [Fact]
    public void A_new_database_is_its_owners_alone_wherever_it_is()
    {
        if (OperatingSystem.IsWindows()) return;
        var folder = Directory.CreateTempSubdirectory("gatehouse-");
        var file = Path.Combine(folder.FullName, "gatehouse.db");
        PrivateFolder.Create(file);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        folder.Delete(recursive: true);
    }

    private static IEnumerable<string> Faults(DatabaseProvider provider, string? text, string folder) => StorageSettings.Faults(new ServiceCollection()
        .AddSingleton(new HostSettings { DataDir = folder })
        .AddSingleton(new ConnectionStringOptions { Default = text })
        .AddSingleton(new DatabaseOptions { Provider = provider })
        .BuildServiceProvider());
}
