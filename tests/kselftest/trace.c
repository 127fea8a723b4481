// SPDX-License-Identifier: GPL-2.0
/* Trace events: what is done is what is traced. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

#define TRACING "/sys/kernel/tracing"
#define PORT 0x500

static bool put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_TRUNC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* Lines of the trace that have all of a text; -1 if it cannot be read. */
static int lines_with(const char *text)
{
	FILE *f = fopen(TRACING "/trace", "r");
	char line[512];
	int n = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += !!strstr(line, text);
	fclose(f);
	return n;
}

FIXTURE(trace)
{
	struct guest *g;
	int dev, vm, id;
	unsigned long long seq;
};

FIXTURE_SETUP(trace)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 2,
		  .flags = VIREO_RULE_WRITE_THROUGH },
		{ .type = VIREO_RULE_POST, .offset = 2, .len = 1 },
	};
	struct vireo_io_add add;
	char dir[64];
	int ret;

	if (access(TRACING "/events/vireo", F_OK))
		SKIP(return, "no trace events here");
	self->g = mmap(NULL, sizeof(*self->g), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = guest_create(self->g, 2);
	if (ret)
		SKIP(return, "no guest: %s", strerror(-ret));
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);

	ASSERT_TRUE(put(TRACING "/trace", ""));
	ASSERT_TRUE(put(TRACING "/events/vireo/enable", "1"));
	self->vm = vireo_vm_open(self->dev, self->g->vm, "a machine");
	ASSERT_GE(self->vm, 0);
	ASSERT_EQ(guest_attach(self->g, self->dev, self->vm), 0);
	add = io_template(VIREO_BUS_PIO, PORT, 8, rules, ARRAY_LEN(rules));
	strcpy(add.name, "ports");
	add.ring_entries = 1;
	self->id = io_add(self->vm, &add);
	if (self->id == -EOPNOTSUPP)
		SKIP(return, "the exit path is off");
	ASSERT_GE(self->id, 0);
	ASSERT_TRUE(stats_dir(getpid(), dir, sizeof(dir)));
	self->seq = strtoull(strrchr(dir, '-') + 1, NULL, 10);
}

FIXTURE_TEARDOWN(trace)
{
	put(TRACING "/events/vireo/enable", "0");
	guest_destroy(self->g);
}

#define EXPECT_TRACE(n, ...) do {					\
	char text_[256];						\
	snprintf(text_, sizeof(text_), __VA_ARGS__);			\
	EXPECT_EQ(lines_with(text_), n) { TH_LOG("%s", text_); }	\
} while (0)

TEST_F(trace, accesses)
{
	guest_add(self->g, 1, GUEST_OUT, 2, PORT, 0x1234);
	guest_add(self->g, 1, GUEST_IN, 1, PORT + 1, 0)->repeat = 2;
	guest_add(self->g, 1, GUEST_OUT, 1, PORT + 2, 0x56)->repeat = 2;
	guest_add(self->g, 1, GUEST_IN, 4, PORT + 4, 0);
	ASSERT_EQ(guest_run(self->g, 1), 0);

	EXPECT_TRACE(1, "vireo_write: vm=%llu vcpu=1 region=%d bus=pio addr=0x500 len=2 value=0x1234 outcome=shadow",
		     self->seq, self->id);
	EXPECT_TRACE(2, "vireo_read: vm=%llu vcpu=1 region=%d bus=pio addr=0x501 len=1 value=0x12 outcome=shadow",
		     self->seq, self->id);
	EXPECT_TRACE(1, "addr=0x502 len=1 value=0x56 outcome=post");
	EXPECT_TRACE(1, "addr=0x502 len=1 value=0x56 outcome=ring_full");
	EXPECT_TRACE(1, "vireo_ring_full: vm=%llu vcpu=1 region=%d", self->seq,
		     self->id);
	EXPECT_TRACE(1, "addr=0x504 len=4 value=0x0 outcome=no_rule");
	EXPECT_TRACE(3, "vireo_read:");
	EXPECT_TRACE(3, "vireo_write:");
}

TEST_F(trace, objects)
{
	EXPECT_TRACE(1, "vireo_vm_create: vm=%llu pid=%d vcpus=4 name=a machine",
		     self->seq, getpid());
	EXPECT_TRACE(1, "vireo_region_add: vm=%llu region=%d name=ports bus=pio addr=0x500 len=8 state=on",
		     self->seq, self->id);
	ASSERT_EQ(io_disable(self->vm, self->id), 0);
	EXPECT_TRACE(1, "vireo_region_enable: vm=%llu region=%d name=ports bus=pio addr=0x500 len=8 state=off",
		     self->seq, self->id);
	guest_access(self->g, GUEST_IN, 1, PORT, 0, NULL);
	EXPECT_TRACE(1, "outcome=off");
	ASSERT_EQ(io_enable(self->vm, self->id), 0);
	EXPECT_TRACE(1, "vireo_region_enable: vm=%llu region=%d name=ports bus=pio addr=0x500 len=8 state=on",
		     self->seq, self->id);
	ASSERT_EQ(io_del(self->vm, self->id), 0);
	EXPECT_TRACE(1, "vireo_region_del: vm=%llu region=%d", self->seq,
		     self->id);
	close(self->vm);
	EXPECT_TRACE(1, "vireo_vm_close: vm=%llu", self->seq);
}

/* What is served does not depend on being traced. */
TEST_F(trace, off)
{
	ASSERT_TRUE(put(TRACING "/events/vireo/enable", "0"));
	ASSERT_TRUE(put(TRACING "/trace", ""));
	guest_access(self->g, GUEST_OUT, 1, PORT, 0x77, NULL);
	EXPECT_EQ(guest_access(self->g, GUEST_IN, 1, PORT, 0, NULL), 0x77);
	EXPECT_TRACE(0, "vireo_");
}

TEST_HARNESS_MAIN
