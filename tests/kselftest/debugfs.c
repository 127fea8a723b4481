// SPDX-License-Identifier: GPL-2.0
/* The statistics: files, modes, contents. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

#define PORT 0x500
#define MMIO 0x10000000ULL

FIXTURE(debugfs)
{
	struct guest *g;
	int dev, vm, event, id;
	char dir[64];
};

FIXTURE_SETUP(debugfs)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 1,
		  .flags = VIREO_RULE_WRITE_DROP },
		{ .type = VIREO_RULE_CONST, .offset = 1, .len = 1 },
		{ .type = VIREO_RULE_POST, .offset = 2, .len = 1 },
		{ .type = VIREO_RULE_EVENT, .offset = 3, .len = 1 },
	};
	struct vireo_io_add add;
	int ret;

	if (access(STATS_ROOT, F_OK))
		SKIP_SETUP("debugfs is not mounted");
	self->g = mmap(NULL, sizeof(*self->g), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = guest_create(self->g, 1);
	if (ret)
		SKIP_SETUP("no guest: %s", strerror(-ret));
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
	self->vm = vireo_vm_open(self->dev, self->g->vm, "a machine");
	ASSERT_GE(self->vm, 0);
	ASSERT_EQ(guest_attach(self->g, self->dev, self->vm), 0);
	self->event = eventfd(0, EFD_NONBLOCK);
	rules[3].fd = self->event;

	add = io_template(VIREO_BUS_PIO, PORT, 8, rules, 4);
	strcpy(add.name, "ports");
	add.ring_entries = 2;
	add.ring_fd = self->event;
	self->id = io_add(self->vm, &add);
	if (self->id == -EOPNOTSUPP)
		SKIP_SETUP("the exit path is off");
	ASSERT_GE(self->id, 0);

	add = io_template(VIREO_BUS_MMIO, MMIO, 4096, &rules[1], 1);
	strcpy(add.name, "memory");
	add.flags = VIREO_IO_DISABLED;
	ASSERT_GE(io_add(self->vm, &add), 0);
	ASSERT_TRUE(stats_dir(getpid(), self->dir, sizeof(self->dir)));
}

FIXTURE_TEARDOWN(debugfs)
{
	guest_destroy(self->g);
}

/* The number of a line of a file in the VM's directory. */
#define VM_STAT(file, name) ({				\
	char path_[300];				\
	snprintf(path_, sizeof(path_), "%s/" file, self->dir); \
	stat_value(path_, name); })

/* 3 reads and 1 dropped write; 2 reads; 4 posts, 2 of them refused;
 * 1 event; 1 read and 2 writes that no rule knows.
 */
static void use_ports(struct guest *g)
{
	guest_reset(g);
	guest_add(g, 0, GUEST_IN, 1, PORT, 0)->repeat = 3;
	guest_add(g, 0, GUEST_OUT, 1, PORT, 0);
	guest_add(g, 0, GUEST_IN, 1, PORT + 1, 0)->repeat = 2;
	guest_add(g, 0, GUEST_OUT, 1, PORT + 2, 0)->repeat = 4;
	guest_add(g, 0, GUEST_OUT, 1, PORT + 3, 0);
	guest_add(g, 0, GUEST_IN, 1, PORT + 4, 0);
	guest_add(g, 0, GUEST_OUT, 1, PORT + 4, 0)->repeat = 2;
	if (guest_run(g, 0))
		abort();
}

#define EXPECT_REGION(want, region, column) \
	EXPECT_EQ(region_stat(self->dir, region, column), want) { \
		TH_LOG("%s %s", region, column); \
	}

TEST_F(debugfs, regions)
{
	use_ports(self->g);
	EXPECT_REGION(4, "ports", "shadow");
	EXPECT_REGION(2, "ports", "const");
	EXPECT_REGION(2, "ports", "post");
	EXPECT_REGION(1, "ports", "event");
	EXPECT_REGION(5, "ports", "reads");
	EXPECT_REGION(4, "ports", "writes");
	EXPECT_REGION(1, "ports", "reads_passed");
	EXPECT_REGION(4, "ports", "writes_passed");
	EXPECT_REGION(2, "ports", "ring_full");
	EXPECT_REGION(1, "ports", "ring_signals");
	EXPECT_REGION(3, "ports", "no_rule");
	EXPECT_REGION(0, "ports", "off");
	EXPECT_REGION(2, "ports", "ring_peak");
	EXPECT_REGION(2, "ports", "ring_entries");
	EXPECT_REGION(self->id, "ports", "id");
	EXPECT_REGION(0, "memory", "reads");

	/* A region that is disabled passes all up. */
	guest_access(self->g, GUEST_READ, 1, MMIO, 0, NULL);
	EXPECT_REGION(1, "memory", "reads_passed");
	EXPECT_REGION(1, "memory", "off");
}

TEST_F(debugfs, exits_of_a_vm)
{
	use_ports(self->g);
	guest_access(self->g, GUEST_WRITE, 4, MMIO, 0, NULL);
	/* What a region counted stays when it goes. */
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(VM_STAT("exits", "pio_read_served"), 5);
		EXPECT_EQ(VM_STAT("exits", "pio_read_passed"), 1);
		EXPECT_EQ(VM_STAT("exits", "pio_write_served"), 4);
		EXPECT_EQ(VM_STAT("exits", "pio_write_passed"), 4);
		EXPECT_EQ(VM_STAT("exits", "mmio_read_served"), 0);
		EXPECT_EQ(VM_STAT("exits", "mmio_read_passed"), 0);
		EXPECT_EQ(VM_STAT("exits", "mmio_write_served"), 0);
		EXPECT_EQ(VM_STAT("exits", "mmio_write_passed"), 1);
		EXPECT_EQ(VM_STAT("exits", "served"), 9);
		EXPECT_EQ(VM_STAT("exits", "passed"), 6);
		EXPECT_EQ(VM_STAT("exits", "post"), 2);
		EXPECT_EQ(VM_STAT("exits", "event"), 1);
		EXPECT_EQ(VM_STAT("exits", "ring_full"), 2);
		EXPECT_EQ(VM_STAT("exits", "ring_signals"), 1);
		if (!i)
			ASSERT_EQ(io_del(self->vm, self->id), 0);
	}
}

/* The sum of the buckets below a heading of a file of histograms, or -1. */
static long long histogram(const char *file, const char *heading)
{
	unsigned long long lo, hi, n, end = 0;
	long long sum = -1;
	char line[256];
	FILE *f = fopen(file, "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] != '[') {
			if (sum >= 0)
				break;
			if (!strcmp(line, heading))
				sum = 0;
		} else if (sum >= 0) {
			/* Buckets go up, do not overlap, and are not empty. */
			if (sscanf(line, "[%llu, %llu) %llu", &lo, &hi, &n) != 3 ||
			    lo < end || hi < lo || !n) {
				sum = -2;
				break;
			}
			end = hi;
			sum += n;
		}
	}
	fclose(f);
	return sum;
}

TEST_F(debugfs, latency)
{
	char path[128], heading[64];

	use_ports(self->g);
	snprintf(path, sizeof(path), "%s/latency", self->dir);
	EXPECT_EQ(histogram(path, "served_time:"), 9);
	EXPECT_EQ(histogram(path, "user_time:"), 0);
	snprintf(heading, sizeof(heading), "served_time %d ports:", self->id);
	EXPECT_EQ(histogram(path, heading), 9);
	snprintf(heading, sizeof(heading), "served_time %d memory:",
		 self->id + 1);
	EXPECT_EQ(histogram(path, heading), 0);
	snprintf(path, sizeof(path), "%s/vcpu0/latency", self->dir);
	EXPECT_EQ(histogram(path, "served_time:"), 9);
	snprintf(path, sizeof(path), "%s/vcpu1/latency", self->dir);
	EXPECT_EQ(histogram(path, "served_time:"), 0);
}

TEST_F(debugfs, exits_of_a_vcpu)
{
	use_ports(self->g);
	EXPECT_EQ(VM_STAT("vcpu0/exits", "pio_read_served"), 5);
	EXPECT_EQ(VM_STAT("vcpu0/exits", "pio_write_passed"), 4);
	EXPECT_EQ(VM_STAT("vcpu0/exits", "pio_write_ring_full"), 2);
	EXPECT_EQ(VM_STAT("vcpu0/exits", "user"), 0);
	EXPECT_EQ(VM_STAT("vcpu1/exits", "served"), 0);
	EXPECT_EQ(VM_STAT("vcpu4/exits", "served"), -1);
}

TEST_F(debugfs, totals_survive_a_vm)
{
	long long before = stat_value(STATS_ROOT "/exits", "served");

	ASSERT_GE(before, 0);
	use_ports(self->g);
	EXPECT_GE(stat_value(STATS_ROOT "/exits", "served"), before + 9);
	close(self->vm);
	EXPECT_GE(stat_value(STATS_ROOT "/exits", "served"), before + 9);
	EXPECT_LT(access(self->dir, F_OK), 0);
}

TEST_F(debugfs, info)
{
	char path[300], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/info", self->dir);
	f = fopen(path, "r");
	ASSERT_NE(f, NULL);
	ASSERT_NE(fgets(line, sizeof(line), f), NULL);
	EXPECT_EQ(strcmp(line, "name a machine\n"), 0);
	fclose(f);

	EXPECT_EQ(VM_STAT("info", "pid"), getpid());
	EXPECT_EQ(VM_STAT("info", "vcpus"), GUEST_MAX_VCPUS);
	EXPECT_GT(VM_STAT("info", "tsc_khz"), 0);
	EXPECT_EQ(VM_STAT("info", "regions"), 2);
	EXPECT_EQ(VM_STAT("info", "area_bytes"), 3 * 4096);
	ASSERT_EQ(io_del(self->vm, self->id), 0);
	EXPECT_EQ(VM_STAT("info", "regions"), 1);
	EXPECT_EQ(VM_STAT("info", "regions_added"), 2);
	EXPECT_EQ(VM_STAT("info", "area_bytes"), 4096);
}

TEST_F(debugfs, files_are_read_only)
{
	static const char *const files[] = {
		STATS_ROOT "/version", STATS_ROOT "/exits", "info", "exits",
		"regions", "latency", "vcpu0/exits", "vcpu0/latency",
	};
	char path[300];
	struct stat st;
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s%s%s",
			 files[i][0] == '/' ? "" : self->dir,
			 files[i][0] == '/' ? "" : "/", files[i]);
		ASSERT_EQ(stat(path, &st), 0);
		EXPECT_EQ(st.st_mode, S_IFREG | 0444);
		fd = open(path, O_RDONLY);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(IOCTL(fd, VIREO_INFO, path), -ENOTTY);
		EXPECT_EQ(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0),
			  MAP_FAILED);
		close(fd);
	}
}

TEST_F(debugfs, open_file_of_a_vm_that_goes)
{
	char path[300], buf[16];
	int fd;

	snprintf(path, sizeof(path), "%s/regions", self->dir);
	fd = open(path, O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(read(fd, buf, sizeof(buf)), sizeof(buf));
	close(self->vm);
	EXPECT_LT(read(fd, buf, sizeof(buf)), 0);
	close(fd);
}

TEST_HARNESS_MAIN
