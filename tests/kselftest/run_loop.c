// SPDX-License-Identifier: GPL-2.0
/* VIREO_VCPU_RUN: what ends it, what it loses, and whom it trusts. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

#define PORT 0x500
#define MMIO 0x10000000
#define RING 256

FIXTURE(run)
{
	struct guest *g;
	int dev, vm, path;
	int fd[2];
	struct area area;
};

/*
 * Ports 0 to 3 read a shadow and store into it, 4 to 7 post; so does memory.
 * Both vCPUs are run by the module.
 */
FIXTURE_SETUP(run)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 4,
		  .flags = VIREO_RULE_WRITE_THROUGH },
		{ .type = VIREO_RULE_POST, .offset = 4, .len = 4 },
	};
	struct vireo_io_add add = io_template(VIREO_BUS_PIO, PORT, 8, rules, 2);
	int ret, id;

	self->g = mmap(NULL, sizeof(*self->g), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = guest_create(self->g, 2);
	if (ret)
		SKIP(return, "no guest: %s", strerror(-ret));
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
	self->path = exit_path(self->dev);
	if (self->path == VIREO_EXIT_PATH_OFF)
		SKIP(return, "the exit path is off");
	self->vm = vireo_vm_open(self->dev, self->g->vm, "run");
	ASSERT_GE(self->vm, 0);
	for (int v = 0; v < 2; v++) {
		self->fd[v] = guest_vcpu_create(self->g, self->vm, v);
		ASSERT_GE(self->fd[v], 0);
	}
	add.ring_entries = RING;
	id = io_add(self->vm, &add);
	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, RING, &self->area), 0);
	add.bus = VIREO_BUS_MMIO;
	add.addr = MMIO;
	ASSERT_GE(io_add(self->vm, &add), 0);
}

FIXTURE_TEARDOWN(run)
{
	close(self->fd[0]);
	close(self->fd[1]);
	close(self->vm);
	close(self->dev);
	guest_destroy(self->g);
}

#define RUN(v) IOCTL(self->fd[v], VIREO_VCPU_RUN, 0)

#define REQUIRE_RUN_LOOP() do {						\
	if (self->path != VIREO_EXIT_PATH_RUN)				\
		SKIP(return, "exits are not served in the run loop");	\
} while (0)

/* How many posts are in the ring, all of which must be @value. */
static long drain(struct area *area, uint64_t value)
{
	struct vireo_post p;
	long n = 0;

	while (ring_take(area->ring, &p))
		n += p.value == value ? 1 : -1000000;
	return n;
}

TEST_F(run, to_the_end)
{
	struct guest_op *rd, *mem;

	rd = guest_add(self->g, 0, GUEST_IN, 2, PORT, 0);
	mem = guest_add(self->g, 0, GUEST_READ, 4, MMIO, 0);
	guest_add(self->g, 0, GUEST_OUT, 4, PORT + 4, 0x87654321);
	memcpy(self->area.shadow, "\x34\x12", 2);
	ASSERT_EQ(guest_restart(self->g, 0), 0);
	ASSERT_EQ(RUN(0), 0);
	EXPECT_EQ(self->g->run[0]->exit_reason, KVM_EXIT_HLT);
	EXPECT_EQ(rd->data, 0x1234);
	EXPECT_EQ(mem->data, 0);
	EXPECT_EQ(drain(&self->area, 0x87654321), 1);
}

TEST_F(run, what_no_region_decides_comes_untouched)
{
	struct kvm_run *run = self->g->run[0];
	struct guest_op *rd;

	guest_add(self->g, 0, GUEST_OUT, 2, PORT + 3, 0x1234);
	guest_add(self->g, 0, GUEST_WRITE, 8, MMIO + 0x1000, 0x1122334455667788);
	rd = guest_add(self->g, 0, GUEST_IN, 1, PORT + 4, 0);
	ASSERT_EQ(guest_restart(self->g, 0), 0);

	/* Straddles two rules. */
	ASSERT_EQ(RUN(0), 0);
	ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(run->io.direction, KVM_EXIT_IO_OUT);
	EXPECT_EQ(run->io.port, PORT + 3);
	EXPECT_EQ(run->io.size, 2);
	EXPECT_EQ(run->io.count, 1);
	EXPECT_EQ(*(uint16_t *)((char *)run + run->io.data_offset), 0x1234);

	ASSERT_EQ(RUN(0), 0);
	ASSERT_EQ(run->exit_reason, KVM_EXIT_MMIO);
	EXPECT_EQ(run->mmio.phys_addr, MMIO + 0x1000);
	EXPECT_EQ(run->mmio.len, 8);
	EXPECT_EQ(run->mmio.is_write, 1);
	EXPECT_EQ(*(uint64_t *)run->mmio.data, 0x1122334455667788);

	/* A rule is there, but has nothing to say about reading. */
	ASSERT_EQ(RUN(0), 0);
	ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(run->io.direction, KVM_EXIT_IO_IN);
	EXPECT_EQ(run->io.port, PORT + 4);
	*((uint8_t *)run + run->io.data_offset) = 0x5c;

	/* Either ioctl goes on. */
	ASSERT_EQ(IOCTL(self->g->vcpu[0], KVM_RUN, 0), 0);
	ASSERT_EQ(run->exit_reason, KVM_EXIT_HLT);
	EXPECT_EQ(rd->data, 0x5c);
	EXPECT_EQ(drain(&self->area, 0), 0);
}

TEST_F(run, immediate_exit)
{
	struct kvm_run *run = self->g->run[0];
	struct guest_op *rd, *next;
	struct kvm_regs regs, after;

	rd = guest_add(self->g, 0, GUEST_IN, 1, PORT + 4, 0);
	next = guest_add(self->g, 0, GUEST_IN, 1, PORT, 0);
	self->area.shadow[0] = 0x77;
	ASSERT_EQ(guest_restart(self->g, 0), 0);

	/* Nothing runs. */
	run->immediate_exit = 1;
	EXPECT_EQ(RUN(0), -EINTR);
	EXPECT_EQ(RUN(0), -EINTR);
	run->immediate_exit = 0;
	ASSERT_EQ(RUN(0), 0);
	ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(rd->data, 0);

	/* The access is completed, and no more. */
	ASSERT_EQ(ioctl(self->g->vcpu[0], KVM_GET_REGS, &regs), 0);
	*((uint8_t *)run + run->io.data_offset) = 0x42;
	run->immediate_exit = 1;
	EXPECT_EQ(RUN(0), -EINTR);
	ASSERT_EQ(ioctl(self->g->vcpu[0], KVM_GET_REGS, &after), 0);
	EXPECT_EQ(after.rip, regs.rip + 1);
	EXPECT_EQ(after.rax & 0xff, 0x42);
	EXPECT_EQ(next->data, 0);
	run->immediate_exit = 0;
	ASSERT_EQ(RUN(0), 0);
	ASSERT_EQ(run->exit_reason, KVM_EXIT_HLT);
	EXPECT_EQ(rd->data, 0x42);
	EXPECT_EQ(next->data, 0x77);
}

TEST_F_TIMEOUT(run, is_bounded, 120)
{
	const int n = 40000;
	int again = 0;
	long ret;

	REQUIRE_RUN_LOOP();
	guest_add(self->g, 0, GUEST_OUT, 1, PORT, 0x11)->repeat = n;
	ASSERT_EQ(guest_restart(self->g, 0), 0);
	while ((ret = RUN(0)) == -EAGAIN) {
		again++;
		ASSERT_LT(again, n);
	}
	ASSERT_EQ(ret, 0);
	EXPECT_EQ(self->g->run[0]->exit_reason, KVM_EXIT_HLT);
	EXPECT_GE(again, 1);

	/* KVM_RUN completes what was served last; then it serves nothing. */
	guest_add(self->g, 0, GUEST_IN, 1, PORT, 0);
	ASSERT_EQ(guest_restart(self->g, 0), 0);
	while ((ret = RUN(0)) == -EAGAIN) {
		ASSERT_EQ(IOCTL(self->g->vcpu[0], KVM_RUN, 0), 0);
		ASSERT_EQ(self->g->run[0]->exit_reason, KVM_EXIT_IO);
	}
	EXPECT_EQ(ret, 0);
	EXPECT_EQ(self->g->run[0]->exit_reason, KVM_EXIT_HLT);
}

/* Signals: thousands, into a guest whose writes are counted. */
struct tormentor {
	pthread_t victim;
	int stop;
};

static void on_signal(int sig)
{
	(void)sig;
}

static void *torment(void *arg)
{
	struct tormentor *t = arg;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		pthread_kill(t->victim, SIGUSR1);
		usleep(200);
	}
	return NULL;
}

TEST_F_TIMEOUT(run, signals_lose_nothing, 120)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct tormentor t = { .victim = pthread_self() };
	const int n = 30000;
	int interrupted = 0;
	long posted = 0, ret;
	pthread_t thread;

	sigaction(SIGUSR1, &sa, NULL);
	guest_add(self->g, 0, GUEST_OUT, 1, PORT + 4, 0x5a)->repeat = n;
	ASSERT_EQ(guest_restart(self->g, 0), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, torment, &t), 0);
	for (;;) {
		ret = RUN(0);
		posted += drain(&self->area, 0x5a);
		if (ret == -EINTR) {
			interrupted++;
			continue;
		}
		if (ret == -EAGAIN)
			continue;
		ASSERT_EQ(ret, 0);
		if (self->g->run[0]->exit_reason == KVM_EXIT_HLT)
			break;
		/* The ring was full. */
		ASSERT_EQ(guest_serve(self->g, 0), 0);
	}
	__atomic_store_n(&t.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_GT(interrupted, 0);
	EXPECT_EQ(posted + self->g->nr_exits, n);
	TH_LOG("%d signals, %d ring full", interrupted, self->g->nr_exits);
}

TEST_F(run, a_signal_ends_an_endless_guest)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct tormentor t = { .victim = pthread_self() };
	pthread_t thread;
	long ret;

	sigaction(SIGUSR1, &sa, NULL);
	guest_add(self->g, 0, GUEST_IN, 1, PORT, 0)->repeat = 1000;
	guest_add(self->g, 0, GUEST_AGAIN, 1, 0, 0);
	ASSERT_EQ(guest_restart(self->g, 0), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, torment, &t), 0);
	do
		ret = RUN(0);
	while (ret == -EAGAIN);
	EXPECT_EQ(ret, -EINTR);
	__atomic_store_n(&t.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

/* Several threads run one vCPU, which no sane program does. */
struct runner {
	int fd;
	struct kvm_run *run;
	long ret;
	int *halted;
};

static void *run_until_halted(void *arg)
{
	struct runner *r = arg;

	while (!__atomic_load_n(r->halted, __ATOMIC_ACQUIRE)) {
		r->ret = IOCTL(r->fd, VIREO_VCPU_RUN, 0);
		if (r->ret && r->ret != -EAGAIN)
			break;
		if (!r->ret && r->run->exit_reason == KVM_EXIT_HLT)
			__atomic_store_n(r->halted, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

TEST_F_TIMEOUT(run, two_threads_on_one_vcpu, 120)
{
	const int n = 40000;
	struct runner r[3];
	pthread_t thread[3];
	int halted = 0;
	uint32_t count;

	REQUIRE_RUN_LOOP();
	/* One post among so many: still one, and in its place. */
	guest_add(self->g, 0, GUEST_OUT, 1, PORT, 0x11)->repeat = n;
	guest_add(self->g, 0, GUEST_OUT, 4, PORT + 4, 0x1234);
	guest_add(self->g, 0, GUEST_OUT, 1, PORT, 0x22)->repeat = n;
	ASSERT_EQ(guest_restart(self->g, 0), 0);
	for (int i = 0; i < 3; i++) {
		r[i] = (struct runner){ self->fd[0], self->g->run[0], 0, &halted };
		ASSERT_EQ(pthread_create(&thread[i], NULL, run_until_halted,
					 &r[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_TRUE(r[i].ret == 0 || r[i].ret == -EAGAIN) {
			TH_LOG("%ld", r[i].ret);
		}
	}
	count = drain(&self->area, 0x1234);
	EXPECT_EQ(count, 1);
	EXPECT_EQ(self->area.shadow[0], 0x22);
}

/* A thread of the owner that writes kvm_run while the module reads it. */
struct scribbler {
	struct kvm_run *run;
	int stop;
};

static void *scribble(void *arg)
{
	static const uint32_t reasons[] = { KVM_EXIT_IO, KVM_EXIT_MMIO,
					    KVM_EXIT_HLT, 0, 0xffffffff };
	static const uint64_t words[] = {
		0, ~0ULL, 1, 0x0101050000000101, 0x0000000105000401,
		0xffffffff05000800, 0x0000000205000201, PORT, MMIO, 1ULL << 63,
		0x7fffffffffffffff, 0x100000008, 0x1ffffffff, MMIO + 7,
	};
	struct scribbler *s = arg;
	uint64_t seed = 88172645463325252ULL;
	volatile uint64_t *at;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		/* The union of exits, the reason, the page of data. */
		switch (seed % 4) {
		case 0:
			__atomic_store_n(&s->run->exit_reason,
					 reasons[(seed >> 8) % 5],
					 __ATOMIC_RELAXED);
			break;
		case 1:
			at = (uint64_t *)((char *)s->run + 4096);
			*at = seed;
			break;
		default:
			at = (uint64_t *)&s->run->io + (seed >> 8) % 4;
			*at = words[(seed >> 16) % ARRAY_LEN(words)];
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(run, kvm_run_is_not_trusted, 120)
{
	struct scribbler s = { .run = self->g->run[0] };
	struct timespec start, now;
	pthread_t thread;
	int i, odd = 0;
	long ret;

	for (i = 1; i <= 4; i *= 2) {
		guest_add(self->g, 0, GUEST_IN, i, PORT, 0)->repeat = 50;
		guest_add(self->g, 0, GUEST_OUT, i, PORT, 0)->repeat = 50;
		guest_add(self->g, 0, GUEST_READ, i, MMIO, 0)->repeat = 50;
		guest_add(self->g, 0, GUEST_WRITE, i, MMIO, 0)->repeat = 50;
		guest_add(self->g, 0, GUEST_OUT, i, PORT + 4, 0)->repeat = 50;
	}
	guest_add(self->g, 0, GUEST_AGAIN, 1, 0, 0);
	ASSERT_EQ(guest_restart(self->g, 0), 0);
	/* What is behind the ring must stay. */
	memset(&self->area.ring->post[RING], 0x5a, 64);
	ASSERT_EQ(pthread_create(&thread, NULL, scribble, &s), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < 1000000; i++) {
		ret = RUN(0);
		odd += ret && ret != -EAGAIN && ret != -EINTR;
		if (i % 64)
			continue;
		drain(&self->area, 0);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > start.tv_sec + 5)
			break;
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_EQ(odd, 0);
	EXPECT_GT(i, 0);
	for (int j = 0; j < 64; j++)
		EXPECT_EQ(((uint8_t *)&self->area.ring->post[RING])[j], 0x5a);
	/* It runs on as if nothing had been. */
	guest_reset(self->g);
	guest_add(self->g, 0, GUEST_IN, 1, PORT, 0);
	self->area.shadow[0] = 1;
	RUN(0);
	ASSERT_EQ(guest_restart(self->g, 0), 0);
	ASSERT_EQ(RUN(0), 0);
	EXPECT_EQ(self->g->run[0]->exit_reason, KVM_EXIT_HLT);
}

TEST_F(run, without_the_vm)
{
	struct kvm_run *run = self->g->run[0];

	guest_add(self->g, 0, GUEST_IN, 1, PORT, 0)->repeat = 2;
	ASSERT_EQ(guest_restart(self->g, 0), 0);
	close(self->vm);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(RUN(0), 0);
		EXPECT_EQ(run->exit_reason, KVM_EXIT_IO);
	}
	ASSERT_EQ(RUN(0), 0);
	EXPECT_EQ(run->exit_reason, KVM_EXIT_HLT);
}

/* Many regions, added and removed in a mixed order, against plain counting. */
#define SLOTS 60

TEST_F_TIMEOUT(run, regions_by_address, 120)
{
	struct vireo_rule rule = { .type = VIREO_RULE_CONST };
	const int len[] = { 1, 2, 3, 4, 8 };
	int id[SLOTS], i, step, round;
	struct vireo_io_add add;
	struct kvm_run *run = self->g->run[0];
	bool served;

	memset(id, -1, sizeof(id));
	/* Slots of 16 ports, the region somewhere in it. */
	for (round = 0; round < 6; round++) {
		for (step = 0; step < SLOTS; step++) {
			i = step * 37 % SLOTS;
			if ((step + round) % 3 == 0 && id[i] >= 0) {
				ASSERT_EQ(io_del(self->vm, id[i]), 0);
				id[i] = -1;
			} else if ((step + round) % 3 && id[i] < 0) {
				rule.len = len[i % 5];
				rule.value = i;
				add = io_template(VIREO_BUS_PIO,
						  0x1000 + 16 * i + i % 7,
						  rule.len, &rule, 1);
				id[i] = io_add(self->vm, &add);
				ASSERT_GE(id[i], 0);
			}
		}
		for (i = 0; i < SLOTS * 16; i++) {
			int slot = i / 16, first = slot % 7;
			struct guest_op *op;

			guest_reset(self->g);
			op = guest_add(self->g, 0, GUEST_IN, 1, 0x1000 + i, 0);
			ASSERT_EQ(guest_restart(self->g, 0), 0);
			ASSERT_EQ(RUN(0), 0);
			served = run->exit_reason == KVM_EXIT_HLT;
			EXPECT_EQ(served, id[slot] >= 0 && i % 16 >= first &&
					  i % 16 < first + len[slot % 5]);
			if (served) {
				EXPECT_EQ(op->data, (uint64_t)slot);
			} else {
				ASSERT_EQ(RUN(0), 0);
			}
		}
	}
}

TEST_HARNESS_MAIN
