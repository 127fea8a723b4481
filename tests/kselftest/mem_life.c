// SPDX-License-Identifier: GPL-2.0
/*
 * Memory objects in other hands: other processes, other orders of closing, and
 * a module that somebody wants to unload.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "memory.h"

#define BYTES (4UL << 20)
#define PAGES (BYTES / PAGE)

/* What a test works with; children get a copy of it. */
struct object {
	int dev;
	int mem;
	uint8_t *p;
	/* Means of talking to a child. */
	int to[2], from[2];
	int sock[2];
};

FIXTURE(mem_life)
{
	struct object o;
};

FIXTURE_SETUP(mem_life)
{
	struct object *o = &self->o;

	ASSERT_EQ(object_open(&o->dev, &o->mem, &o->p, BYTES), 0);
	ASSERT_EQ(pipe(o->to), 0);
	ASSERT_EQ(pipe(o->from), 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, o->sock), 0);
}

FIXTURE_TEARDOWN(mem_life)
{
	object_close(self->o.dev, self->o.mem, self->o.p, BYTES);
}

static void say(int fd)
{
	if (write(fd, "", 1) != 1)
		_exit(99);
}

static bool hear(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

/* ---- other processes ----------------------------------------------------- */

static int child_writes(void *arg)
{
	struct object *o = arg;

	page_fill(o->p + 2 * PAGE, 2, 1);
	return page_is(o->p, 0, 1) ? 0 : 1;
}

TEST_F(mem_life, fork)
{
	int log;

	page_fill(self->o.p, 0, 1);
	log = mem_log(self->o.mem);
	ASSERT_GE(log, 0);
	EXPECT_EQ(in_child(child_writes, &self->o), 0);
	EXPECT_TRUE(page_is(self->o.p + 2 * PAGE, 2, 1));
	EXPECT_TRUE(LOG_IS(log, BYTES, 2));
	page_fill(self->o.p + 3 * PAGE, 3, 1);
	EXPECT_TRUE(LOG_IS(log, BYTES, 3));
	close(log);
}

/* Ioctls of an object, a log and a snapshot are for whoever has them. */
struct trio {
	struct object *o;
	int log, snapshot;
};

static int child_uses(void *arg)
{
	struct trio *t = arg;
	struct dirty d;
	uint8_t page[PAGE];

	page_fill(t->o->p + PAGE, 1, 2);
	if (log_take(t->log, &d, BYTES) != 1 || !dirty_page(&d, 1))
		return 1;
	if (pread(t->snapshot, page, PAGE, PAGE) != PAGE ||
	    !page_is(page, 1, 1))
		return 2;
	if (mem_discard(t->o->mem, 0, PAGE))
		return 3;
	return 0;
}

TEST_F(mem_life, a_child_may_do_all)
{
	struct trio t = { .o = &self->o };

	page_fill(self->o.p + PAGE, 1, 1);
	t.snapshot = mem_snapshot(self->o.mem, 0);
	t.log = mem_log(self->o.mem);
	EXPECT_EQ(in_child(child_uses, &t), 0);
	EXPECT_TRUE(page_is(self->o.p + PAGE, 1, 2));
	close(t.log);
	close(t.snapshot);
}

static int child_pokes(void *arg)
{
	struct object *o = arg;
	uint64_t page[PAGE / 8];
	struct iovec local = { page, PAGE }, remote = { o->p + 6 * PAGE, PAGE };

	page_fill(page, 6, 4);
	if (process_vm_writev(getppid(), &local, 1, &remote, 1, 0) != PAGE)
		return 1;
	memset(page, 0, PAGE);
	if (process_vm_readv(getppid(), &local, 1, &remote, 1, 0) != PAGE)
		return 2;
	return page_is(page, 6, 4) ? 0 : 3;
}

/* A process that has not mapped it writes through one that has. */
TEST_F(mem_life, process_vm_writev)
{
	int log = mem_log(self->o.mem), snapshot;
	uint8_t page[PAGE];

	page_fill(self->o.p + 6 * PAGE, 6, 1);
	snapshot = mem_snapshot(self->o.mem, 0);
	EXPECT_TRUE(LOG_IS(log, BYTES, 6));
	EXPECT_EQ(in_child(child_pokes, &self->o), 0);
	EXPECT_TRUE(page_is(self->o.p + 6 * PAGE, 6, 4));
	EXPECT_TRUE(LOG_IS(log, BYTES, 6));
	ASSERT_EQ(pread(snapshot, page, PAGE, 6 * PAGE), PAGE);
	EXPECT_TRUE(page_is(page, 6, 1));
	close(snapshot);
	close(log);
}

/* Maps what comes over the socket, writes, and says so. */
static int child_receives(void *arg)
{
	struct object *o = arg;
	uint8_t *p;
	int fd;

	munmap(o->p, BYTES);
	fd = receive_fd(o->sock[1]);
	if (fd < 0)
		return 1;
	p = mem_map(fd, BYTES);
	close(fd);
	if (!p || !page_is(p, 0, 1))
		return 2;
	page_fill(p + PAGE, 1, 1);
	return 0;
}

TEST_F(mem_life, over_a_socket)
{
	int log = mem_log(self->o.mem);

	page_fill(self->o.p, 0, 1);
	ASSERT_EQ(send_fd(self->o.sock[0], self->o.mem), 0);
	EXPECT_EQ(in_child(child_receives, &self->o), 0);
	EXPECT_TRUE(page_is(self->o.p + PAGE, 1, 1));
	EXPECT_TRUE(LOG_IS(log, BYTES, 0, 1));
	close(log);
}

/* A descriptor that only a socket has, which nobody reads. */
TEST_F(mem_life, in_flight)
{
	int refs = module_refcount(), sock[2], fd;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	fd = mem_create(self->o.dev, BYTES, 0);
	ASSERT_EQ(send_fd(sock[0], fd), 0);
	close(fd);
	EXPECT_GT(module_refcount(), refs);
	close(sock[0]);
	close(sock[1]);
	for (int i = 0; i < 200 && module_refcount() != refs; i++)
		usleep(10000);
	EXPECT_EQ(module_refcount(), refs);
}

static int child_execs(void *arg)
{
	struct object *o = arg;

	/* By its number, and written at the file's own offset. */
	if (dup2(o->mem, 9) != 9 || lseek(9, 5 * PAGE, SEEK_SET) < 0)
		return 1;
	execl("/bin/sh", "sh", "-c", "printf hello >&9", NULL);
	return 2;
}

TEST_F(mem_life, exec)
{
	EXPECT_EQ(in_child(child_execs, &self->o), 0);
	EXPECT_EQ(memcmp(self->o.p + 5 * PAGE, "hello", 6), 0);
}

/* ---- owners that die ----------------------------------------------------- */

/* Makes an object, sends it, writes to it without end. */
static int owner(struct object *o)
{
	int mem = mem_create(o->dev, BYTES, 0);
	uint8_t *p = mem_map(mem, BYTES);

	if (!p)
		return 1;
	page_fill(p, 0, 1);
	if (mem_log(mem) < 0 || mem_snapshot(mem, 0) < 0 ||
	    send_fd(o->sock[1], mem))
		return 2;
	say(o->from[1]);
	for (size_t i = 1;; i++)
		page_fill(p + i % PAGES * PAGE, i % PAGES, i);
}

TEST_F(mem_life, owner_is_killed)
{
	uint8_t *p;
	pid_t pid;
	int fd;

	for (int i = 0; i < 10; i++) {
		pid = fork();
		if (!pid)
			_exit(owner(&self->o));
		ASSERT_TRUE(hear(self->o.from[0]));
		fd = receive_fd(self->o.sock[0]);
		ASSERT_GE(fd, 0);
		p = mem_map(fd, BYTES);
		ASSERT_NE(p, NULL);
		usleep(1000 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(waitpid(pid, NULL, 0), pid);
		for (int k = 0; k < 200 && mem_stat(fd).snapshots; k++)
			usleep(10000);
		EXPECT_EQ(mem_stat(fd).snapshots, 0);
		EXPECT_EQ(mem_stat(fd).logs, 0);
		EXPECT_EQ(mem_stat(fd).resident % PAGE, 0);
		page_fill(p, 0, 9);
		EXPECT_TRUE(page_is(p, 0, 9));
		munmap(p, BYTES);
		close(fd);
	}
}

/* ---- closing ------------------------------------------------------------- */

/* Object, mapping, log, snapshot and a mapping of it: in each order. */
struct things {
	int mem, log, snapshot;
	uint8_t *p, *q;
};

static void drop(struct things *t, int which)
{
	switch (which) {
	case 0:
		close(t->mem);
		break;
	case 1:
		close(t->log);
		break;
	case 2:
		close(t->snapshot);
		break;
	case 3:
		munmap(t->p, BYTES);
		break;
	case 4:
		munmap(t->q, BYTES);
		break;
	}
}

/* The n-th order of five things. */
static void nth_order(int n, int order[5])
{
	int left[5] = { 0, 1, 2, 3, 4 };

	for (int i = 0, f = 24; i < 5; i++) {
		int k = n / f;

		n %= f;
		order[i] = left[k];
		memmove(left + k, left + k + 1, (4 - i - k) * sizeof(int));
		f = 4 - i ? f / (4 - i) : 1;
	}
}

static bool still(struct things *t, const bool *gone)
{
	uint8_t page[PAGE];
	struct dirty d;
	bool ok = true;

	if (!gone[3]) {
		page_fill(t->p + PAGE, 1, 2);
		ok &= page_is(t->p + PAGE, 1, 2);
	}
	if (!gone[1])
		ok &= log_take(t->log, &d, BYTES) >= !gone[3] &&
		      (gone[3] || dirty_page(&d, 1));
	if (!gone[2])
		ok &= pread(t->snapshot, page, PAGE, PAGE) == PAGE &&
		      page_is(page, 1, 1);
	if (!gone[4])
		ok &= page_is(t->q + PAGE, 1, 1);
	return ok;
}

TEST_F_TIMEOUT(mem_life, closes_in_any_order, 120)
{
	int refs = module_refcount(), order[5];
	struct things t;
	bool gone[5];

	for (int n = 0; n < 120; n++) {
		nth_order(n, order);
		memset(gone, 0, sizeof(gone));
		t.mem = mem_create(self->o.dev, BYTES, 0);
		t.p = mem_map(t.mem, BYTES);
		ASSERT_NE(t.p, NULL);
		page_fill(t.p + PAGE, 1, 1);
		t.log = mem_log(t.mem);
		ASSERT_GE(t.log, 0);
		t.snapshot = mem_snapshot(t.mem, 0);
		ASSERT_GE(t.snapshot, 0);
		t.q = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, t.snapshot, 0);
		ASSERT_NE(t.q, MAP_FAILED);
		for (int i = 0; i < 5; i++) {
			EXPECT_TRUE(still(&t, gone))
			{
				TH_LOG("order %d, %d gone", n, i);
			}
			drop(&t, order[i]);
			gone[order[i]] = true;
		}
	}
	for (int i = 0; i < 200 && module_refcount() != refs; i++)
		usleep(10000);
	EXPECT_EQ(module_refcount(), refs);
}

/* ---- unloading ----------------------------------------------------------- */

/* With nothing left but one thing, the module stays; then it can go. */
TEST_F_TIMEOUT(mem_life, module_stays_while_used, 120)
{
	const char *why = NULL;

	if (!getenv("VIREO_KO"))
		why = "VIREO_KO is not set";
	munmap(self->o.p, BYTES);
	close(self->o.mem);
	close(self->o.dev);
	for (int i = 0; i < 200 && module_refcount(); i++)
		usleep(10000);
	if (!why && module_refcount())
		why = "the module is in use by others";
	if (why)
		SKIP(return, "%s", why);

	for (int kept = 0; kept < 6; kept++) {
		struct things t;
		int dev = vireo_open();

		ASSERT_GE(dev, 0);
		t.mem = mem_create(dev, BYTES, 0);
		close(dev);
		t.p = mem_map(t.mem, BYTES);
		ASSERT_NE(t.p, NULL);
		page_fill(t.p, 0, 1);
		t.log = mem_log(t.mem);
		t.snapshot = mem_snapshot(t.mem, 0);
		/* The last: privately, all of it copied. */
		t.q = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			   kept == 5 ? t.mem : t.snapshot, 0);
		ASSERT_NE(t.q, MAP_FAILED);
		t.q[0] = 7;
		for (int i = 0; i < 5; i++)
			if (i != (kept == 5 ? 4 : kept))
				drop(&t, i);
		usleep(20000);
		EXPECT_EQ(module_unload(), -EWOULDBLOCK)
		{
			TH_LOG("kept %d", kept);
		}
		if (access("/sys/module/vireo", F_OK))
			ASSERT_EQ(module_load(NULL), 0);
		drop(&t, kept == 5 ? 4 : kept);
		ASSERT_EQ(module_unload_soon(), 0);
		ASSERT_EQ(module_load(NULL), 0);
	}
	self->o.dev = vireo_open();
	self->o.mem = mem_create(self->o.dev, BYTES, 0);
	self->o.p = mem_map(self->o.mem, BYTES);
}

/* ---- limits of a cgroup -------------------------------------------------- */

#define GROUP "/sys/fs/cgroup/vireo-mem-test"

static bool put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

static int child_in_group(void *arg)
{
	struct object *o = arg;

	if (!put(GROUP "/cgroup.procs", "0"))
		return 1;
	/* More than it may have: refused, or it is killed. */
	switch (mem_prefault(o->mem, 0, BYTES)) {
	case -ENOMEM:
		return 2;
	case 0:
		return 3;
	}
	return 4;
}

static int child_touches_in_group(void *arg)
{
	struct object *o = arg;

	if (!put(GROUP "/cgroup.procs", "0"))
		return 1;
	memset(o->p, 1, BYTES / 2);
	return 0;
}

TEST_F_TIMEOUT(mem_life, cgroup_limit, 60)
{
	long long charged;
	int ret;

	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		SKIP(return, "no cgroup2");
	if (!put(GROUP "/memory.max", "3M")) {
		rmdir(GROUP);
		SKIP(return, "no memory controller");
	}
	put(GROUP "/memory.swap.max", "0");
	/* Who touches pages first is charged for them. */
	EXPECT_EQ(in_child(child_touches_in_group, &self->o), 0);
	charged = stat_value(GROUP "/memory.stat", "shmem");
	EXPECT_EQ(charged, BYTES / 2);
	ret = in_child(child_in_group, &self->o);
	EXPECT_TRUE(ret == 2 || ret == 256 + SIGKILL) { TH_LOG("%d", ret); }
	EXPECT_LT(mem_stat(self->o.mem).resident, BYTES);
	/* The memory is there for whoever is not limited. */
	EXPECT_EQ(mem_prefault(self->o.mem, 0, BYTES), 0);
	EXPECT_EQ(mem_discard(self->o.mem, 0, BYTES), 0);
	for (int i = 0; i < 200 && rmdir(GROUP); i++)
		usleep(10000);
}

TEST_HARNESS_MAIN
