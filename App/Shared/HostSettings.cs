using System.ComponentModel;

namespace App.Shared;

public sealed class HostSettings
{
    [Description("Public base URL, exactly as it stands in tokens. Required in Production; Development takes the first address listened on.")]
    public string? Issuer { get; set; }

    [Description("Folder for everything the process writes by itself, relative to the current directory.")]
    public string DataDir { get; set; } = "data";

    internal string DataPath => Path.GetFullPath(DataDir);
}

public sealed class PublicUrl(HostSettings settings)
{
    public string Issuer => settings.Issuer ?? "http://localhost:5080";
}
