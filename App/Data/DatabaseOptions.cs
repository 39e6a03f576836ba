using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace App.Data;

public enum DatabaseProvider { Sqlite, SqlServer }

public sealed class DatabaseOptions
{
    [Description("`Sqlite` keeps everything in `gatehouse.db` in `DataDir`; `SqlServer` uses `ConnectionStrings:Default`.")]
    public DatabaseProvider Provider { get; set; } = DatabaseProvider.Sqlite;

    [Range(1, 1000)]
    [Description("Statements per round trip to SQL Server (EF Core's own when unset; 1 for engines without MERGE).")]
    public int? MaxBatchSize { get; set; }

    [Description("Bring the schema up to date at start. `false` leaves that to `App migrate`.")]
    public bool MigrateOnStart { get; set; } = true;
}

public sealed class ConnectionStringOptions
{
    [Secret(Trimmed = true)]
    [Description("Connection string of the database; SQLite needs none.")]
    public string? Default { get; set; }

    [Secret(Trimmed = true)]
    [Description("A SQL Server that the storage tests may use.")]
    public string? SqlServer { get; set; }
}
