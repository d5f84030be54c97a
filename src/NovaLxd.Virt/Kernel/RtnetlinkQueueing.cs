using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>
/// Queueing disciplines: a token bucket on what an interface sends, and a redirection of what it receives. Names are those of linux/pkt_sched.h.
/// </summary>
internal sealed partial class Rtnetlink
{
    private const ushort RTM_NEWQDISC = 36;
    private const ushort RTM_DELQDISC = 37;
    private const ushort RTM_NEWTFILTER = 44;

    private const uint TC_H_ROOT = 0xFFFFFFFF;
    private const uint TC_H_INGRESS = 0xFFFFFFF1;
    private const uint IngressHandle = 0xFFFF0000;

    private const ushort TCA_KIND = 1;
    private const ushort TCA_OPTIONS = 2;
    private const ushort TCA_TBF_PARMS = 1;
    private const ushort TCA_TBF_RATE64 = 4;
    private const ushort TCA_TBF_PRATE64 = 5;
    private const ushort TCA_TBF_BURST = 6;
    private const ushort TCA_TBF_PBURST = 7;
    private const byte TC_LINKLAYER_ETHERNET = 1;

    private const ushort TCA_U32_SEL = 5;
    private const ushort TCA_U32_ACT = 7;
    private const byte TC_U32_TERMINAL = 1;
    private const ushort TCA_ACT_KIND = 1;
    private const ushort TCA_ACT_OPTIONS = 2;
    private const ushort TCA_MIRRED_PARMS = 2;
    private const int TC_ACT_STOLEN = 4;
    private const int TCA_EGRESS_REDIR = 1;
    private const ushort ETH_P_ALL_NetworkOrder = 0x0300;

    private const int ENOENT = 2;
    private const int EINVAL = 22;

    /// <summary>Sets or changes the token bucket (tc-tbf(8)) through which the interface sends.</summary>
    /// <param name="handle">Its name, by which it is told from others' and deleted.</param>
    public void SetTokenBucket(int index, uint handle, TokenBucket bucket)
    {
        var message = new NetlinkMessage(RTM_NEWQDISC, NetlinkMessage.NLM_F_ACK | NetlinkMessage.NLM_F_CREATE | NetlinkMessage.NLM_F_REPLACE)
            .Body(new TrafficHeader { Index = index, Handle = handle, Parent = TC_H_ROOT })
            .Attribute(TCA_KIND, "tbf")
            .Nest(TCA_OPTIONS, options =>
            {
                var parameters = new TokenBucketParameters
                {
                    Rate = Rate(bucket.BytesPerSecond),
                    Peak = Rate(bucket.PeakBytesPerSecond ?? 0),
                    Limit = bucket.QueueBytes,
                };
                options.Attribute(TCA_TBF_PARMS, parameters)
                    .Attribute(TCA_TBF_RATE64, (ulong)bucket.BytesPerSecond)
                    .Attribute(TCA_TBF_BURST, bucket.BurstBytes);
                if (bucket.PeakBytesPerSecond is { } peak)
                {
                    options.Attribute(TCA_TBF_PRATE64, (ulong)peak).Attribute(TCA_TBF_PBURST, bucket.PeakBurstBytes);
                }
            });
        _netlink.Request(message, "RTM_NEWQDISC tbf", Target(index));
    }

    /// <summary>Takes away the token bucket of this handle; does nothing when the interface has another queueing discipline or none.</summary>
    public void DeleteTokenBucket(int index, uint handle) => DeleteQueueing(new TrafficHeader { Index = index, Handle = handle, Parent = TC_H_ROOT });

    /// <summary>Everything the interface receives passes the queue of <paramref name="ifbIndex"/> first. What was redirected before is not any more.</summary>
    public void RedirectReceived(int index, int ifbIndex)
    {
        StopRedirecting(index);
        _netlink.Request(
            new NetlinkMessage(RTM_NEWQDISC, NetlinkMessage.NLM_F_ACK | NetlinkMessage.NLM_F_CREATE | NetlinkMessage.NLM_F_EXCL)
                .Body(new TrafficHeader { Index = index, Handle = IngressHandle, Parent = TC_H_INGRESS })
                .Attribute(TCA_KIND, "ingress"),
            "RTM_NEWQDISC ingress",
            Target(index));
        var filter = new NetlinkMessage(RTM_NEWTFILTER, NetlinkMessage.NLM_F_ACK | NetlinkMessage.NLM_F_CREATE | NetlinkMessage.NLM_F_EXCL)
            .Body(new TrafficHeader { Index = index, Parent = IngressHandle, Info = (1u << 16) | ETH_P_ALL_NetworkOrder })
            .Attribute(TCA_KIND, "u32")
            .Nest(TCA_OPTIONS, options => options
                .Attribute(TCA_U32_SEL, new MatchEverything { Flags = TC_U32_TERMINAL, Keys = 1 })
                .Nest(TCA_U32_ACT, actions => actions
                    .Nest(1, action => action
                        .Attribute(TCA_ACT_KIND, "mirred")
                        .Nest(TCA_ACT_OPTIONS, parameters => parameters
                            .Attribute(TCA_MIRRED_PARMS, new Redirection { Action = TC_ACT_STOLEN, What = TCA_EGRESS_REDIR, Index = ifbIndex })))));
        _netlink.Request(filter, "RTM_NEWTFILTER u32", Target(index));
    }

    public void StopRedirecting(int index) => DeleteQueueing(new TrafficHeader { Index = index, Handle = IngressHandle, Parent = TC_H_INGRESS });

    private void DeleteQueueing(TrafficHeader which)
    {
        try
        {
            _netlink.Request(new NetlinkMessage(RTM_DELQDISC, NetlinkMessage.NLM_F_ACK).Body(which), "RTM_DELQDISC", Target(which.Index));
        }
        catch (KernelException e) when (e.Errno is ENOENT or EINVAL or ENODEV)
        {
            // None there, or not the one with this handle.
        }
    }

    // A rate beyond 32 bits goes in RATE64; the field has only to be other than 0 then.
    private static RateSpecification Rate(long bytesPerSecond)
        => new() { LinkLayer = TC_LINKLAYER_ETHERNET, BytesPerSecond = (uint)Math.Min(bytesPerSecond, uint.MaxValue) };

    /// <summary>struct tcmsg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct TrafficHeader
    {
        public byte Family;
        public byte Padding1;
        public ushort Padding2;
        public int Index;
        public uint Handle;
        public uint Parent;
        public uint Info;
    }

    /// <summary>struct tc_ratespec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct RateSpecification
    {
        public byte CellLog;
        public byte LinkLayer;
        public ushort Overhead;
        public short CellAlign;
        public ushort MinimumPacket;
        public uint BytesPerSecond;
    }

    /// <summary>struct tc_tbf_qopt; the two times are given in bytes by TCA_TBF_BURST and TCA_TBF_PBURST instead.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct TokenBucketParameters
    {
        public RateSpecification Rate;
        public RateSpecification Peak;
        public uint Limit;
        public uint Buffer;
        public uint Mtu;
    }

    /// <summary>struct tc_u32_sel with one struct tc_u32_key whose mask is 0.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MatchEverything
    {
        public byte Flags;
        public byte OffsetShift;
        public byte Keys;
        public ushort OffsetMask;
        public ushort Offset;
        public short OffsetOffset;
        public short HashOffset;
        public uint HashMask;
        public uint KeyMask;
        public uint KeyValue;
        public int KeyOffset;
        public int KeyOffsetMask;
    }

    /// <summary>struct tc_mirred.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Redirection
    {
        public uint ActionIndex;
        public uint Capability;
        public int Action;
        public int References;
        public int Binds;
        public int What;
        public int Index;
    }
}

/// <summary>
/// Bytes go out at the average while tokens last only that fast, up to <paramref name="BurstBytes"/> saved ones at the peak (null: at once);
/// <paramref name="QueueBytes"/> wait, more are dropped.
/// </summary>
internal sealed record TokenBucket(long BytesPerSecond, uint BurstBytes, uint QueueBytes, long? PeakBytesPerSecond = null, uint PeakBurstBytes = 0);
