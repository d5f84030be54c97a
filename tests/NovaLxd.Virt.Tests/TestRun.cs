// One test after the other: they count what is on the host before and after, and would otherwise count each other's processes.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
