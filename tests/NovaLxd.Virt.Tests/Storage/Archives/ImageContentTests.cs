using System.Text;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Tests.Storage.Archives;

public sealed class ImageContentTests
{
    [Fact]
    public async Task AcceptedFormatsAreToldApart()
    {
        var tar = TarBuilder.Root().Build();
        Assert.Equal(ImageContentKind.Tar, Kind(tar));
        Assert.Equal(ImageContentKind.Gzip, Kind(TarBuilder.Gzip(tar)));
        Assert.Equal(ImageContentKind.Zstd, Kind(TarBuilder.Zstd(tar)));
        Assert.Equal(ImageContentKind.Xz, Kind(await TarBuilder.XzAsync(tar)));
        Assert.Equal(ImageContentKind.Squashfs, Kind(await TarBuilder.SquashfsAsync(tar)));
    }

    [Fact]
    public void ATarOfBeforeUstarIsRecognisedByItsChecksum() =>
        Assert.Equal(ImageContentKind.Tar, Kind(new TarBuilder().Member("a", '0', change: header => header.AsSpan(257).Clear()).Build()));

    [Theory]
    [InlineData("", "an empty file")]
    [InlineData("514649fb00000003", "a qcow2 disk image")]
    [InlineData("4b444d56", "a VMDK disk image")]
    [InlineData("7668647866696c65", "a VHDX disk image")]
    [InlineData("504b0304", "a zip archive")]
    [InlineData("7f454c46", "an ELF program")]
    [InlineData("425a6839", "bzip2 data")]
    [InlineData("00ff", "data of an unknown kind (it begins with 00ff)")]
    public void OthersAreNamed(string hexadecimal, string name) => Assert.Equal(name, ImageContent.Recognise(Convert.FromHexString(hexadecimal)).Name);

    [Theory]
    [InlineData("<!DOCTYPE html><html>", "an HTML page")]
    [InlineData(" <html>", "an HTML page")]
    [InlineData("<?xml version=\"1.0\"?><Error>", "an XML document")]
    [InlineData("{\"error\": 404}", "a JSON document")]
    [InlineData("#!/bin/sh", "a script")]
    public void TextIsNamed(string text, string name) => Assert.Equal(name, ImageContent.Recognise(Encoding.UTF8.GetBytes(text)).Name);

    [Theory]
    [InlineData(0x8001, "4344303031", "an ISO 9660 image")]
    [InlineData(512, "4546492050415254", "a raw disk image with a GPT partition table")]
    [InlineData(1080, "53ef", "a raw ext file system image")]
    [InlineData(510, "55aa", "a raw disk image with a boot sector")]
    [InlineData(64, "7f10dabe", "a VDI disk image")]
    public void DiskImagesAreKnownByMarksFurtherIn(int offset, string mark, string name)
    {
        var sample = new byte[ImageContent.SampleSize];
        Convert.FromHexString(mark).CopyTo(sample, offset);
        Assert.Equal(name, ImageContent.Recognise(sample).Name);
    }

    [Fact]
    public void ZerosAreNoImage() => Assert.Equal("a file of zeros or an archive without members", ImageContent.Recognise(new byte[4096]).Name);

    private static ImageContentKind Kind(byte[] data) => ImageContent.Recognise(data.AsSpan(0, Math.Min(data.Length, ImageContent.SampleSize))).Kind;
}
