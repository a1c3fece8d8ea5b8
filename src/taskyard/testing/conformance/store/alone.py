"""All that a store can promise without another one on the same database."""

from taskyard.testing.conformance.store.bus import (
    TestFailedBefore,
    TestLetters,
    TestMaintenance,
    TestMappings,
    TestReaders,
    TestSeen,
    TestWaitingFor,
)
from taskyard.testing.conformance.store.claiming import TestClaim, TestOrder
from taskyard.testing.conformance.store.connections import TestBreakers, TestConnections
from taskyard.testing.conformance.store.fairness import TestCrashes, TestShares, TestTurns
from taskyard.testing.conformance.store.fixtures import bench, clock, database, open_store, store
from taskyard.testing.conformance.store.gating import TestCallGate, TestCeiling, TestGates, TestRate
from taskyard.testing.conformance.store.histories import TestHistories
from taskyard.testing.conformance.store.inbox import TestInbox
from taskyard.testing.conformance.store.insight import TestInsight
from taskyard.testing.conformance.store.instances import TestInstances
from taskyard.testing.conformance.store.journal import TestJournal
from taskyard.testing.conformance.store.leases import TestExtend, TestRecord, TestRevoked
from taskyard.testing.conformance.store.lifetime import TestLifetime, TestNames
from taskyard.testing.conformance.store.limits import TestContention, TestSlots, TestSlotsComeBack
from taskyard.testing.conformance.store.listing import TestDead, TestFind, TestFindStarted
from taskyard.testing.conformance.store.liveness import TestLost, TestRecover, TestWorkers
from taskyard.testing.conformance.store.logins import TestLogins
from taskyard.testing.conformance.store.moves import TestCancel, TestDiscard, TestHurry, TestRequeue
from taskyard.testing.conformance.store.narrowing import TestNarrow, TestNeverShown
from taskyard.testing.conformance.store.notices import TestDigests, TestNotices, TestToldFeed
from taskyard.testing.conformance.store.opened import TestChangeOpen, TestSettleOpen
from taskyard.testing.conformance.store.outliving import TestOutliving
from taskyard.testing.conformance.store.people import TestDirectory, TestPeoplesTasks
from taskyard.testing.conformance.store.queueing import TestQueues, TestTurn
from taskyard.testing.conformance.store.reading import TestCounts, TestFacts, TestLatest
from taskyard.testing.conformance.store.scheduling import TestSchedules
from taskyard.testing.conformance.store.sealing import TestAudit
from taskyard.testing.conformance.store.settling import TestSettle, TestStaleSettlements
from taskyard.testing.conformance.store.submission import TestEnqueue, TestForeignConnections, TestUniqueKeys
from taskyard.testing.conformance.store.telling import (
    TestClientApps,
    TestDelivering,
    TestDeliveryLists,
    TestPlanning,
    TestSubscriptions,
)
from taskyard.testing.conformance.store.upkeep import TestFeed, TestLead, TestPromote, TestPrune
from taskyard.testing.conformance.store.vault import TestTokens, TestUploads
from taskyard.testing.conformance.store.views import TestViews
from taskyard.testing.conformance.store.workload import TestWork

__all__ = [
    "TestAudit",
    "TestBreakers",
    "TestCallGate",
    "TestCancel",
    "TestCeiling",
    "TestChangeOpen",
    "TestClaim",
    "TestClientApps",
    "TestConnections",
    "TestContention",
    "TestCounts",
    "TestCrashes",
    "TestDead",
    "TestDelivering",
    "TestDeliveryLists",
    "TestDigests",
    "TestDirectory",
    "TestDiscard",
    "TestEnqueue",
    "TestExtend",
    "TestFacts",
    "TestFailedBefore",
    "TestFeed",
    "TestFind",
    "TestFindStarted",
    "TestForeignConnections",
    "TestGates",
    "TestHistories",
    "TestHurry",
    "TestInbox",
    "TestInsight",
    "TestInstances",
    "TestJournal",
    "TestLatest",
    "TestLead",
    "TestLetters",
    "TestLifetime",
    "TestLogins",
    "TestLost",
    "TestMaintenance",
    "TestMappings",
    "TestNames",
    "TestNarrow",
    "TestNeverShown",
    "TestNotices",
    "TestOrder",
    "TestOutliving",
    "TestPeoplesTasks",
    "TestPlanning",
    "TestPromote",
    "TestPrune",
    "TestQueues",
    "TestRate",
    "TestReaders",
    "TestRecord",
    "TestRecover",
    "TestRequeue",
    "TestRevoked",
    "TestSchedules",
    "TestSeen",
    "TestSettle",
    "TestSettleOpen",
    "TestShares",
    "TestSlots",
    "TestSlotsComeBack",
    "TestStaleSettlements",
    "TestSubscriptions",
    "TestTokens",
    "TestToldFeed",
    "TestTurn",
    "TestTurns",
    "TestUniqueKeys",
    "TestUploads",
    "TestViews",
    "TestWaitingFor",
    "TestWork",
    "TestWorkers",
    "bench",
    "clock",
    "database",
    "open_store",
    "store",
]
