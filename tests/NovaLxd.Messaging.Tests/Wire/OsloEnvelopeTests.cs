using System.Globalization;
using System.Numerics;
using System.Text;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests.Wire;

public sealed class OsloEnvelopeTests
{
    [Theory]
    [InlineData("call")]
    [InlineData("cast")]
    [InlineData("fanout")]
    [InlineData("reply")]
    public void RecordedBodiesSurviveOpeningAndWrapping(string name)
    {
        var payload = OsloEnvelope.Open(Recorded.Body(name));

        Assert.True(JToken.DeepEquals(Recorded.Payload(name), payload));
        Assert.True(JToken.DeepEquals(payload, OsloEnvelope.Open(OsloEnvelope.Wrap(payload))));
    }

    [Fact]
    public void DatesStayTexts() =>
        Assert.Equal(JTokenType.String, OsloEnvelope.Open("""{"a": "2026-11-24T03:05:31Z"}"""u8)["a"]!.Type);

    [Fact]
    public void BodyWithoutEnvelopeIsThePayload() => Assert.Equal("m", (string?)OsloEnvelope.Open("""{"method": "m"}"""u8)["method"]);

    [Theory]
    [InlineData("""{"oslo.version": "3.0", "oslo.message": "{}"}""", "3.0")]
    [InlineData("""{"oslo.version": "2.1", "oslo.message": "{}"}""", "2.1")]
    [InlineData("""{"oslo.version": "2.0", "oslo.message": "[1]"}""", "Array")]
    [InlineData("not json", "JSON")]
    [InlineData("", "JSON")]
    public void UnreadableBodiesAreRefusedWithTheReason(string body, string reason) =>
        Assert.Contains(
            reason,
            Assert.Throws<MalformedMessageException>(() => OsloEnvelope.Open(Encoding.UTF8.GetBytes(body))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void DeepObjectsAndNumbersSurvive()
    {
        JToken deep = 1;
        for (var i = 0; i < 200; i++)
        {
            deep = new JObject { ["x"] = deep };
        }

        var payload = new JObject
        {
            ["deep"] = deep,
            ["big"] = new JValue(BigInteger.Parse("12345678901234567890", CultureInfo.InvariantCulture)),
            ["real"] = 0.1,
            ["text"] = "ü\u0000\"",
        };

        Assert.Equal(OsloJson.Serialize(payload), OsloJson.Serialize(OsloEnvelope.Open(OsloEnvelope.Wrap(payload))));
    }

    [Fact]
    public void DatesAreWrittenAsPythonDoes() =>
        Assert.Equal(
            "\"2026-11-24T03:05:31.000042\"",
            OsloJson.Serialize(new JValue(new DateTime(2026, 11, 24, 3, 5, 31, DateTimeKind.Utc).AddTicks(420))));

    [Fact]
    public void RequestHasTheKeysOfARecordedCall()
    {
        var recorded = Recorded.Payload("call");
        var target = new RpcTarget("conductor", Namespace: "baseapi", Version: "1.0");

        var ours = RequestPayload.Write(
            target, RequestPayload.Read(recorded).Request.Context, "ping", new JObject { ["arg"] = "1.21 GigaWatts" }, ("id", "reply_x", null));

        Assert.Equal(recorded.Properties().Select(p => p.Name).Order(), ours.Properties().Select(p => p.Name).Order());
        foreach (var name in recorded.Properties().Select(p => p.Name).Except(["_msg_id", "_reply_q", "_unique_id"]))
        {
            Assert.True(JToken.DeepEquals(recorded[name], ours[name]), name);
        }
    }

    [Theory]
    [InlineData("60", 60.0)]
    [InlineData("\"60\"", 60.0)]
    [InlineData("60.9", 60.0)]
    [InlineData("null", null)]
    [InlineData("\"soon\"", null)]
    public void MonitorTimeoutIsReadAsPythonsInt(string json, double? seconds) =>
        Assert.Equal(seconds, RequestPayload.Read(new JObject { ["method"] = "m", ["_timeout"] = OsloJson.Parse(json) }).MonitorTimeout);

    [Fact]
    public void MissingVersionMeansOneZeroAndMissingArgumentsNone()
    {
        var request = RequestPayload.Read(new JObject { ["method"] = "m" }).Request;

        Assert.Equal(("1.0", 0, false), (request.Version, request.Arguments.Count, request.IsCall));
    }
}
