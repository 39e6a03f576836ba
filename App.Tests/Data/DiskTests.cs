using App.Data;

namespace App.Tests.Data;

public sealed class DiskTests
{
    [Fact] // The runtime's own says nothing here, nor of a disk that is broken.
    public void What_cannot_be_flushed_is_said()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Write);
        Assert.Throws<IOException>(() => Disk.Flush(nothing));
    }

    [Fact]
    public void What_is_written_is_flushed()
    {
        var file = Path.GetTempFileName();
        using (var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite))
        {
            RandomAccess.Write(handle, "a commit"u8, 0);
            Disk.Flush(handle);
        }

        File.Delete(file);
    }
}
