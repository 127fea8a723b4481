// SPDX-License-Identifier: GPL-2.0
/* Memory objects: the ioctls, and what they refuse. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "memory.h"

#define BYTES (4UL << 20)
#define PAGES (BYTES / PAGE)

FIXTURE(mem_ioctl)
{
	int dev;
	int mem;
	uint8_t *p;
};

FIXTURE_SETUP(mem_ioctl)
{
	ASSERT_EQ(object_open(&self->dev, &self->mem, &self->p, BYTES), 0);
}

FIXTURE_TEARDOWN(mem_ioctl)
{
	object_close(self->dev, self->mem, self->p, BYTES);
}

TEST_F(mem_ioctl, create)
{
	struct vireo_mem_create c;
	int fd;

#define REFUSED(change) do {						\
	c = mem_template(BYTES);					\
	change;								\
	EXPECT_EQ(IOCTL(self->dev, VIREO_MEM_CREATE, &c), -EINVAL)	\
	{ TH_LOG(#change); }						\
} while (0)
	REFUSED(c.size = sizeof(c) - 1);
	REFUSED(c.flags = VIREO_MEM_HUGE | VIREO_MEM_HUGE_ADVISE);
	REFUSED(c.flags = VIREO_MEM_HUGE_ADVISE << 1);
	REFUSED(c.flags = 1U << 31);
	REFUSED(c.bytes = 0);
	REFUSED(c.bytes = 1);
	REFUSED(c.bytes = PAGE - 1);
	REFUSED(c.bytes = BYTES + 512);
	REFUSED(c.bytes = VIREO_MAX_MEM + PAGE);
	REFUSED(c.bytes = VIREO_MAX_MEM << 1);
	REFUSED(c.bytes = -(uint64_t)PAGE);
	REFUSED(c.node = -2);
	REFUSED(c.node = 1023);
	REFUSED(c.node = 0x7fffffff);
	REFUSED(c.node = -0x7fffffff - 1);
	REFUSED(c.reserved = 1);
	REFUSED(c.name[0] = 0);
	REFUSED(strcpy(c.name, "a b"));
	REFUSED(strcpy(c.name, "a\n"));
	REFUSED(strcpy(c.name, "\xc3\xa4"));
	REFUSED(strcpy(c.name, "a\x7f"));
	REFUSED(memset(c.name, 'a', sizeof(c.name)));
#undef REFUSED
	EXPECT_EQ(IOCTL(self->dev, VIREO_MEM_CREATE, NULL), -EFAULT);

	c = mem_template(PAGE);
	memset(c.name, 'a', sizeof(c.name) - 1);
	c.node = 0;
	fd = IOCTL(self->dev, VIREO_MEM_CREATE, &c);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(mem_stat(fd).bytes, PAGE);
	close(fd);
	fd = mem_create(self->dev, VIREO_MAX_MEM, VIREO_MEM_HUGE);
	if (fd != -ENOMEM)
		EXPECT_GE(fd, 0);
	close(fd);
}

TEST_F(mem_ioctl, stat_arguments)
{
	struct {
		struct vireo_mem_stat stat;
		uint64_t more[4];
	} s = { .stat.size = sizeof(s) };

	ASSERT_EQ(IOCTL(self->mem, VIREO_MEM_STAT, &s), 0);
	EXPECT_EQ(s.stat.size, sizeof(s.stat));
	EXPECT_EQ(s.stat.bytes, BYTES);
	EXPECT_EQ(s.stat.resident, 0);
	s.stat.size = sizeof(s);
	s.more[3] = 1;
	EXPECT_EQ(IOCTL(self->mem, VIREO_MEM_STAT, &s), -E2BIG);
	s.stat.size = sizeof(s.stat) - 1;
	EXPECT_EQ(IOCTL(self->mem, VIREO_MEM_STAT, &s), -EINVAL);
	s.stat.size = sizeof(s.stat);
	s.stat.flags = 1;
	EXPECT_EQ(IOCTL(self->mem, VIREO_MEM_STAT, &s), -EINVAL);
}

TEST_F(mem_ioctl, range_arguments)
{
	static const unsigned long cmds[] = {
		VIREO_MEM_PREFAULT, VIREO_MEM_DISCARD,
	};
	static const struct {
		uint64_t start, len;
	} bad[] = {
		{ 0, 0 }, { BYTES, 0 }, { 1, PAGE }, { 0, PAGE - 1 },
		{ 2048, 2048 }, { BYTES, PAGE }, { 0, BYTES + PAGE },
		{ PAGE, BYTES }, { BYTES - PAGE, 2 * PAGE },
		{ -(uint64_t)PAGE, PAGE }, { -(uint64_t)PAGE, 2 * PAGE },
		{ PAGE, -(uint64_t)PAGE }, { PAGE, -2 * (uint64_t)PAGE },
		{ 1ULL << 63, 1ULL << 63 }, { BYTES, -(uint64_t)BYTES },
		{ 1ULL << 44, PAGE },
	};
	struct vireo_mem_range r;

	memset(self->p, 1, BYTES);
	for (size_t c = 0; c < ARRAY_LEN(cmds); c++) {
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			r = (struct vireo_mem_range){
				.size = sizeof(r), .start = bad[i].start,
				.len = bad[i].len,
			};
			EXPECT_EQ(IOCTL(self->mem, cmds[c], &r), -EINVAL)
			{
				TH_LOG("%lu: %llx + %llx", c, r.start, r.len);
			}
		}
		r = (struct vireo_mem_range){
			.size = sizeof(r), .len = PAGE, .flags = 1,
		};
		EXPECT_EQ(IOCTL(self->mem, cmds[c], &r), -EINVAL);
		r.flags = 0;
		r.size--;
		EXPECT_EQ(IOCTL(self->mem, cmds[c], &r), -EINVAL);
		EXPECT_EQ(IOCTL(self->mem, cmds[c], (void *)8), -EFAULT);
	}
	/* Nothing was discarded by what was refused. */
	for (size_t i = 0; i < BYTES; i += PAGE)
		EXPECT_EQ(self->p[i], 1);
	EXPECT_EQ(mem_stat(self->mem).discarded, 0);
}

TEST_F(mem_ioctl, log_arguments)
{
	struct vireo_dirty_log l = { .size = sizeof(l), .flags = 1 };
	int logs[VIREO_MAX_LOGS];

	EXPECT_EQ(IOCTL(self->mem, VIREO_MEM_DIRTY_LOG, &l), -EINVAL);
	l.flags = 0;
	l.size--;
	EXPECT_EQ(IOCTL(self->mem, VIREO_MEM_DIRTY_LOG, &l), -EINVAL);
	for (int i = 0; i < VIREO_MAX_LOGS; i++) {
		logs[i] = mem_log(self->mem);
		ASSERT_GE(logs[i], 0);
		EXPECT_EQ(fcntl(logs[i], F_GETFD), FD_CLOEXEC);
	}
	EXPECT_EQ(mem_log(self->mem), -ENOSPC);
	EXPECT_EQ(mem_stat(self->mem).logs, VIREO_MAX_LOGS);
	close(logs[3]);
	EXPECT_EQ(mem_stat(self->mem).logs, VIREO_MAX_LOGS - 1);
	logs[3] = mem_log(self->mem);
	EXPECT_GE(logs[3], 0);
	for (int i = 0; i < VIREO_MAX_LOGS; i++)
		close(logs[i]);
	EXPECT_EQ(mem_stat(self->mem).logs, 0);
}

TEST_F(mem_ioctl, fetch_arguments)
{
	uint64_t map[PAGES / 64 + 2], huge[2];
	int log = mem_log(self->mem);
	struct vireo_dirty_fetch f;

	ASSERT_GE(log, 0);
	memset(self->p, 1, BYTES);
#define FETCH(want, change) do {					\
	f = (struct vireo_dirty_fetch){					\
		.size = sizeof(f), .len = BYTES,			\
		.bitmap = (uintptr_t)map, .huge = (uintptr_t)huge,	\
	};								\
	change;								\
	EXPECT_EQ(IOCTL(log, VIREO_DIRTY_FETCH, &f), want)		\
	{ TH_LOG(#change); }						\
} while (0)
	FETCH(-EINVAL, f.size--);
	FETCH(-EINVAL, f.flags = 2);
	FETCH(-EINVAL, f.start = PAGE; f.len = PAGE);
	FETCH(-EINVAL, f.len = 1);
	FETCH(-EINVAL, f.len = 0);
	FETCH(-EINVAL, f.len = BYTES + PAGE);
	FETCH(-EINVAL, f.start = HUGE);
	FETCH(-EINVAL, f.start = BYTES; f.len = PAGE);
	FETCH(-EINVAL, f.start = -HUGE; f.len = HUGE);
	FETCH(-EINVAL, f.start = -HUGE; f.len = 2 * HUGE);
	FETCH(-EINVAL, f.start = HUGE; f.len = -(uint64_t)PAGE);
	FETCH(-EFAULT, f.bitmap = 0);
	FETCH(-EFAULT, f.bitmap = 8);
	FETCH(-EFAULT, f.bitmap = -8ULL);
	FETCH(-EFAULT, f.huge = 8);
	/* After all that nothing is lost. */
	FETCH(0, );
	EXPECT_EQ(f.pages, PAGES);
#undef FETCH
	close(log);
}

TEST_F(mem_ioctl, snapshot_arguments)
{
	struct vireo_mem_snapshot s = { .size = sizeof(s), .flags = 1 };
	int fds[VIREO_MAX_SNAPSHOTS];

	EXPECT_EQ(IOCTL(self->mem, VIREO_MEM_SNAPSHOT, &s), -EINVAL);
	s.flags = 0;
	s.size--;
	EXPECT_EQ(IOCTL(self->mem, VIREO_MEM_SNAPSHOT, &s), -EINVAL);
	EXPECT_EQ(IOCTL(self->mem, VIREO_MEM_SNAPSHOT, NULL), -EFAULT);
	EXPECT_EQ(mem_stat(self->mem).snapshots, 0);
	for (int i = 0; i < VIREO_MAX_SNAPSHOTS; i++) {
		fds[i] = mem_snapshot(self->mem, 0);
		ASSERT_GE(fds[i], 0) { TH_LOG("snapshot %d", i); }
		EXPECT_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
	}
	EXPECT_EQ(mem_snapshot(self->mem, 0), -ENOSPC);
	EXPECT_EQ(mem_stat(self->mem).snapshots, VIREO_MAX_SNAPSHOTS);
	for (int i = 0; i < VIREO_MAX_SNAPSHOTS; i++)
		close(fds[i]);
	EXPECT_EQ(mem_stat(self->mem).snapshots, 0);
}

/* The struct is wrong for a caller that cannot be told what it has opened. */
TEST_F(mem_ioctl, snapshot_result_cannot_be_told)
{
	struct vireo_mem_snapshot *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	s->size = sizeof(*s);
	ASSERT_EQ(mprotect(s, PAGE, PROT_READ), 0);
	EXPECT_EQ(IOCTL(self->mem, VIREO_MEM_SNAPSHOT, s), -EFAULT);
	EXPECT_EQ(mem_stat(self->mem).snapshots, 0);
}

/* Each ioctl on descriptors of every kind but its own. */
TEST_F(mem_ioctl, wrong_descriptors)
{
	static const unsigned long cmds[] = {
		VIREO_MEM_STAT, VIREO_MEM_PREFAULT, VIREO_MEM_DISCARD,
		VIREO_MEM_DIRTY_LOG, VIREO_MEM_SNAPSHOT, VIREO_DIRTY_FETCH,
		VIREO_SNAPSHOT_STAT, VIREO_MEM_CREATE, VIREO_MEM_MAP,
	};
	/* Which kind takes it: of fds[], below. */
	static const int own[] = { 1, 1, 1, 1, 1, 2, 3, 0, -1 };
	int fds[] = {
		self->dev, self->mem, mem_log(self->mem),
		mem_snapshot(self->mem, 0), memfd_create("other", 0),
	};
	uint64_t arg[16] = { sizeof(arg) };
	long ret;

	for (size_t c = 0; c < ARRAY_LEN(cmds); c++)
		for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
			if ((int)i == own[c])
				continue;
			ret = IOCTL(fds[i], cmds[c], arg);
			EXPECT_EQ(ret, -ENOTTY) { TH_LOG("%zu on %zu", c, i); }
		}
	for (size_t i = 2; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

TEST_F(mem_ioctl, tell_guest)
{
	int kvm = kvm_vm_open(), vm, other, log;
	const uint64_t gpa = 1ULL << 32;
	struct vireo_mem_map m;

	if (kvm < 0)
		SKIP(return, "no KVM");
	vm = vireo_vm_open(self->dev, kvm, "mem");
	ASSERT_GE(vm, 0);
	log = mem_log(self->mem);
	other = memfd_create("other", 0);
#define TELL(cmd, want, change) do {					\
	m = (struct vireo_mem_map){					\
		.size = sizeof(m), .gpa = gpa, .len = BYTES,		\
		.mem_fd = self->mem,					\
	};								\
	change;								\
	EXPECT_EQ(IOCTL(vm, cmd, &m), want) { TH_LOG(#change); }	\
} while (0)
#define MAP(want, change) TELL(VIREO_MEM_MAP, want, change)
#define UNMAP(want, change) TELL(VIREO_MEM_UNMAP, want, m.mem_fd = 0; change)
	MAP(-EINVAL, m.size--);
	MAP(-EINVAL, m.flags = 2);
	MAP(-EINVAL, m.reserved = 1);
	MAP(-EINVAL, m.gpa += 8);
	MAP(-EINVAL, m.len = 0);
	MAP(-EINVAL, m.len -= 8);
	MAP(-EINVAL, m.len += PAGE);
	MAP(-EINVAL, m.offset = PAGE);
	MAP(-EINVAL, m.offset = 8; m.len = PAGE);
	MAP(-EINVAL, m.offset = BYTES; m.len = PAGE);
	MAP(-EINVAL, m.offset = -(uint64_t)PAGE; m.len = PAGE);
	MAP(-EINVAL, m.offset = -(uint64_t)PAGE; m.len = 2 * PAGE);
	MAP(-EINVAL, m.gpa = -(uint64_t)PAGE; m.len = 2 * PAGE);
	MAP(-EBADF, m.mem_fd = -1);
	MAP(-EBADF, m.mem_fd = 9999);
	MAP(-EINVAL, m.mem_fd = other);
	MAP(-EINVAL, m.mem_fd = log);
	MAP(-EINVAL, m.mem_fd = self->dev);
	UNMAP(-ENOENT, );

	MAP(0, );
	MAP(-EEXIST, );
	MAP(-EEXIST, m.gpa -= PAGE; m.len = 2 * PAGE);
	MAP(-EEXIST, m.gpa += BYTES - PAGE);
	MAP(-EEXIST, m.gpa += PAGE; m.len = PAGE);
	MAP(0, m.gpa -= PAGE; m.len = PAGE);
	MAP(0, m.gpa += BYTES);
	UNMAP(-ENOENT, m.len -= PAGE);
	UNMAP(-ENOENT, m.gpa += PAGE; m.len -= PAGE);
	UNMAP(-EINVAL, m.mem_fd = self->mem);
	UNMAP(-EINVAL, m.offset = PAGE);
	UNMAP(0, );
	UNMAP(-ENOENT, );
	MAP(0, );
	UNMAP(0, m.gpa -= PAGE; m.len = PAGE);
	UNMAP(0, m.gpa += BYTES);

	for (int i = 1; i < VIREO_MAX_MEM_MAPS; i++)
		MAP(0, m.gpa = i * BYTES; m.len = PAGE);
	MAP(-ENOSPC, m.gpa = VIREO_MAX_MEM_MAPS * BYTES);
	UNMAP(0, );
	MAP(0, m.gpa = VIREO_MAX_MEM_MAPS * BYTES);
	close(vm);
	close(other);
	close(log);
	close(kvm);
}

TEST_HARNESS_MAIN
