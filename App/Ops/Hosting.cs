using System.Globalization;
using System.Net.Sockets;
using System.Text;
using App.Data;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration.CommandLine;
using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.Configuration.KeyPerFile;
using Microsoft.Extensions.FileProviders;

namespace App.Ops;

/// <summary>
/// Where settings come from, the later over the earlier:
/// <c>appsettings.json</c>, <c>appsettings.{Environment}.json</c>, environment variables (<c>Section__Key</c>),
/// the secrets folder (one file per key, <c>Section__Key</c>), the command line (<c>--Section:Key=value</c>).
/// </summary>
public static class Hosting
{
    /// <summary>The one word on the command line that needs no value.</summary>
    internal const string LabSwitch = "--lab";

    private const string DefaultSecrets = "/run/secrets";

    public static WebApplicationBuilder CreateBuilder(string[] args)
    {
        // Whatever the machine speaks, programs are answered alike; pages and letters choose their language by themselves.
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;

        WebApplicationBuilder builder;
        try
        {
            builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
            {
                // Settings are read once: a watcher per file would only promise what isn't so.
                Args = ["--hostBuilder:reloadConfigOnChange=false", .. args.Select(arg => arg == LabSwitch ? "--Lab:Enabled=true" : arg)],
                ContentRootPath = AppContext.BaseDirectory,
            });
            AddSources(builder.Configuration, builder.Environment);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or IOException or UnauthorizedAccessException)
        {
            // A file that isn't JSON or can't be read; the inner message has line and position, never a value.
            throw new SettingsException([OneLine(e.InnerException is null ? e.Message : $"{e.Message} {e.InnerException.Message}")]);
        }

        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(Limit);
        if (builder.Environment.IsDevelopment()) builder.WebHost.UseStaticWebAssets();
        builder.Services.Configure<FormOptions>(Limit);

        // Otherwise Development throws for bad input what Production answers with a status.
        builder.Services.Configure<RouteHandlerOptions>(o => o.ThrowOnBadRequest = false);
        return builder;
    }

    /// <summary>
    /// Writes on stderr, one line per fault, why the process can't start.
    /// False for anything that an operator can't cure by settings, which deserves its stack trace.
    /// </summary>
    public static bool Explains(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        IReadOnlyList<string> faults = exception switch
        {
            SettingsException settings => settings.Faults,
            IOException { InnerException: AddressInUseException } => [$"Urls: {exception.Message} End the other process or set Urls to a free address."],
            SocketException => [$"Urls: nobody can listen there: {exception.Message}. Give an address of this machine, and a port that this user may open."],
            // Kestrel has no type of its own for it, and its texts are English whatever the machine speaks.
            InvalidOperationException when exception.Message.StartsWith("Unable to configure HTTPS endpoint", StringComparison.Ordinal) =>
                ["Kestrel:Certificates:Default isn't set, and an address to listen on is https. Give a certificate (Path, and Password or KeyPath), or let a proxy end TLS and listen on http."],
            // The same of a certificate: whatever is wrong with the file or its password, this is who has read it.
            _ when exception.StackTrace?.Contains("CertificateConfigLoader", StringComparison.Ordinal) == true =>
                [$"Kestrel: a certificate can't be loaded: {exception.Message} Give the Path of one that this process may read, and its Password or KeyPath."],
            _ when exception.StackTrace?.Contains("LoggerFilterConfigureOptions", StringComparison.Ordinal) == true =>
                [$"Logging:LogLevel: {exception.Message} Give Trace, Debug, Information, Warning, Error, Critical or None."],
            // By whom it is held, or why it can't be written, is for whoever has the machine to find out.
            _ when DatabaseFault.Of(exception) is { } database && ExceptionProblems.IsAway(database) =>
                [$"The database can't be used just now: {database.Message} What was begun isn't finished: try again once whatever holds it is over."],
            _ => [],
        };
        foreach (var fault in faults) Console.Error.WriteLine(OneLine(fault));
        return faults.Count > 0;
    }

    internal static string OneLine(string text) => string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c));

    /// <summary>
    /// Where settings files are: beside the program, and in Development, where that is but a copy that the build has made, in the folder that it was started
    /// from as well, which <c>dotnet run</c> makes the root of the clone.
    /// </summary>
    public static IReadOnlyList<string> SettingsFolders(IHostEnvironment environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        return environment.IsDevelopment() && Path.GetFullPath(Environment.CurrentDirectory) != Path.GetFullPath(AppContext.BaseDirectory)
            ? [environment.ContentRootPath, Environment.CurrentDirectory]
            : [environment.ContentRootPath];
    }

    private static void AddSources(ConfigurationManager configuration, IHostEnvironment hosting)
    {
        IList<IConfigurationSource> sources = configuration.Sources;
        foreach (var own in SettingsFolders(hosting).Skip(1))
        {
            var json = new JsonConfigurationSource { Path = "appsettings.json", Optional = true, FileProvider = new PhysicalFileProvider(own) };
            sources.Insert(Last(sources, s => s is JsonConfigurationSource { Path: "appsettings.json" }) + 1, json);
        }

        // ASPNETCORE_URLS and its like are read before appsettings.json, which holds `Urls` and so would win over them.
        var environment = Last(sources, s => s is EnvironmentVariablesConfigurationSource { Prefix: null or "" });
        sources.Insert(environment, new EnvironmentVariablesConfigurationSource { Prefix = "ASPNETCORE_" });

        var folder = configuration["SECRETS_DIR"];
        if (folder is { Length: > 0 } && !Directory.Exists(folder))
            throw new SettingsException([$"SECRETS_DIR is \"{folder}\": no such folder. Create it or unset the variable; unset, {DefaultSecrets} is read where it exists."]);
        folder = folder is { Length: > 0 } ? Path.GetFullPath(folder) : DefaultSecrets;
        if (!Directory.Exists(folder)) return;

        sources.Insert(Last(sources, s => s is CommandLineConfigurationSource), new KeyPerFileConfigurationSource
        {
            FileProvider = new PhysicalFileProvider(folder),
            Optional = true,
            ReloadOnChange = false,
        });
    }

    private static int Last(IList<IConfigurationSource> sources, Func<IConfigurationSource, bool> wanted)
    {
        for (var i = sources.Count - 1; i >= 0; i--)
        {
            if (wanted(sources[i])) return i;
        }

        return sources.Count;
    }

    // Nothing that this service reads is large, and nobody honest is slow at sending it.
    private static void Limit(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.ResponseHeaderEncodingSelector = EncodingOf;
        kestrel.Limits.MaxRequestBodySize = 64 * 1024;
        kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));
        kestrel.Limits.Http2.MaxStreamsPerConnection = 100;
        kestrel.Limits.Http2.MaxRequestHeaderFieldSize = 32 * 1024;
    }

    // What a service behind the gateway says passes as it was read: as Latin-1, an address as UTF-8 (one that was Latin-1 comes out as that, too). Those that are always ours are ASCII.
    private static Encoding? EncodingOf(string name) => name switch
    {
        "Date" or "Content-Length" or "X-Content-Type-Options" => null,
        "Location" => Encoding.UTF8,
        _ => Encoding.Latin1,
    };

    private static void Limit(FormOptions forms)
    {
        forms.ValueCountLimit = 64;
        forms.KeyLengthLimit = 256;
        forms.ValueLengthLimit = 16 * 1024;
        forms.BufferBodyLengthLimit = 64 * 1024;
        forms.MultipartBodyLengthLimit = 64 * 1024;
        forms.MultipartHeadersCountLimit = 8;
        forms.MultipartHeadersLengthLimit = 2 * 1024;
    }
}
