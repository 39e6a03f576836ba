using System.ComponentModel;
using System.Diagnostics;

namespace App.E2E.Harness;

/// <summary>Skipped, with the reason, where no small disk can be mounted. Never passed without having run.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SmallDiskFactAttribute : FactAttribute
{
    private static readonly Lazy<string?> Why = new(() => Task.Run(Disks.WhyNoSmallOneAsync).Result);

    public SmallDiskFactAttribute() => Skip = Why.Value;
}

/// <summary>Skipped, with the reason, where no open file can be made read-only. Never passed without having run.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ReadOnlyFileFactAttribute : FactAttribute
{
    private static readonly Lazy<string?> Why = new(() => Task.Run(Disks.WhyNoneReadOnlyAsync).Result);

    public ReadOnlyFileFactAttribute() => Skip = Why.Value;
}

/// <summary>What a disk may do to a service, as far as this machine lets us.</summary>
internal static class Disks
{
    /// <summary>Mounts one of sixteen megabytes.</summary>
    public static Task MountAsync(string folder) => DoAsync("mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "none", folder);

    public static Task UnmountAsync(string folder) => DoAsync("umount", folder);

    /// <summary>To the last byte: first what is big, then what is small.</summary>
    public static Task FillAsync(string path)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        foreach (var size in new[] { 1024 * 1024, 4096, 1 })
        {
            try
            {
                while (true) file.Write(new byte[size]);
            }
            catch (IOException)
            {
                // Full, for this size.
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>Also for whoever has them open.</summary>
    public static Task MakeReadOnlyAsync(params string[] files) => DoAsync("chattr", ["+i", .. files]);

    public static Task MakeWritableAsync(params string[] files) => DoAsync("chattr", ["-i", .. files]);

    public static async Task<string?> WhyNoSmallOneAsync()
    {
        var folder = TestRun.NewFolder("disk");
        if (await TryAsync("mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "none", folder) is { } why) return why;
        await UnmountAsync(folder);
        return null;
    }

    public static async Task<string?> WhyNoneReadOnlyAsync()
    {
        var probe = Path.Combine(TestRun.NewFolder("probe"), "probe");
        await using var open = File.Create(probe);
        if (await TryAsync("chattr", "+i", probe) is { } why) return why;
        try
        {
            await open.WriteAsync("x"u8.ToArray());
            await open.FlushAsync();
            return "A file that is open is written here although it was made read-only.";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        finally
        {
            await MakeWritableAsync(probe);
        }
    }

    private static async Task DoAsync(string program, params string[] arguments) => Assert.Null(await TryAsync(program, arguments));

    private static async Task<string?> TryAsync(string program, params string[] arguments)
    {
        try
        {
            var (exit, said) = await Tool.TryRunAsync(new ProcessStartInfo(program, arguments), TimeSpan.FromSeconds(30));
            return exit == 0 ? null : $"{program}: {said.Trim()}";
        }
        catch (Win32Exception)
        {
            return $"There is no {program}.";
        }
    }
}
