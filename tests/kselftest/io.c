// SPDX-License-Identifier: GPL-2.0
/* VIREO_IO_ADD, _DEL, _ENABLE and mmap: what they accept and refuse. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"

FIXTURE(io)
{
	int dev;
	int kvm_vm;
	int vm;
	int event;
	struct vireo_rule rule;
	struct vireo_io_add add;
};

FIXTURE_SETUP(io)
{
	struct vireo_info info = { .size = sizeof(info) };

	self->kvm_vm = kvm_vm_open();
	if (self->kvm_vm < 0)
		SKIP_SETUP("no KVM: %s", strerror(-self->kvm_vm));
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(IOCTL(self->dev, VIREO_INFO, &info), 0);
	if (info.exit_path == VIREO_EXIT_PATH_OFF)
		SKIP_SETUP("the exit path is off: %s", info.why);
	self->vm = vireo_vm_open(self->dev, self->kvm_vm, "io");
	ASSERT_GE(self->vm, 0);
	self->event = eventfd(0, EFD_NONBLOCK);
	self->rule = (struct vireo_rule){ .type = VIREO_RULE_SHADOW, .len = 8 };
	self->add = io_template(VIREO_BUS_PIO, 0x3f8, 8, &self->rule, 1);
}

FIXTURE_TEARDOWN(io)
{
	close(self->event);
	close(self->vm);
	close(self->dev);
	close(self->kvm_vm);
}

#define ADD() io_add(self->vm, &self->add)

/* The template with one thing changed must be refused. */
#define EXPECT_REFUSED(error, field, bad) do {		\
	__typeof__(self->add) add_ = self->add;		\
	__typeof__(self->rule) rule_ = self->rule;	\
	field = bad;					\
	EXPECT_EQ(ADD(), error) {			\
		TH_LOG("with %s = %s", #field, #bad);	\
	}						\
	self->add = add_;				\
	self->rule = rule_;				\
} while (0)

TEST_F(io, add_and_del)
{
	int id = ADD();

	ASSERT_GE(id, 0);
	EXPECT_EQ(io_del(self->vm, id), 0);
	EXPECT_EQ(io_del(self->vm, id), -ENOENT);
	/* Its place is free again. */
	EXPECT_GE(ADD(), 0);
}

TEST_F(io, region_fields)
{
	EXPECT_REFUSED(-EINVAL, self->add.size, sizeof(self->add) - 1);
	EXPECT_REFUSED(-EINVAL, self->add.flags, 2);
	EXPECT_REFUSED(-EINVAL, self->add.flags, 0x80000000);
	EXPECT_REFUSED(-EINVAL, self->add.bus, 2);
	EXPECT_REFUSED(-EINVAL, self->add.shadow_pages, 17);
	EXPECT_REFUSED(-EINVAL, self->add.nr_rules, 0);
	EXPECT_REFUSED(-EINVAL, self->add.nr_rules, 0xffffffff);
	EXPECT_REFUSED(-EINVAL, self->add.len, 0);
	EXPECT_REFUSED(-EINVAL, self->add.len, 7);	/* the rule sticks out */
	EXPECT_REFUSED(-EINVAL, self->add.len, ~0ULL);
	EXPECT_REFUSED(-EINVAL, self->add.addr, 0xfff9);
	EXPECT_REFUSED(-EINVAL, self->add.addr, 0x10000);
	EXPECT_REFUSED(-EINVAL, self->add.addr, ~0ULL);
	EXPECT_REFUSED(-EFAULT, self->add.rules, 0);
	EXPECT_REFUSED(-EFAULT, self->add.rules, 0xffff800000000000);
	EXPECT_REFUSED(-EINVAL, self->add.name[0], 0);
	EXPECT_REFUSED(-EINVAL, self->add.name[0], ' ');
	EXPECT_REFUSED(-EINVAL, self->add.name[3], '\n');
	memset(self->add.name, 'x', sizeof(self->add.name));
	EXPECT_EQ(ADD(), -EINVAL);
}

TEST_F(io, region_limits)
{
	self->add.addr = 0xfff8;
	EXPECT_GE(ADD(), 0);

	self->add.bus = VIREO_BUS_MMIO;
	self->add.addr = ~0ULL - 8;
	EXPECT_GE(ADD(), 0);
	self->add.addr = ~0ULL - 6;
	EXPECT_EQ(ADD(), -EINVAL);
	self->add.addr = 1ULL << 40;
	self->add.len = 1ULL << 30;
	EXPECT_GE(ADD(), 0);
	self->add.addr = 1ULL << 41;
	self->add.len++;
	EXPECT_EQ(ADD(), -EINVAL);
}

TEST_F(io, rule_fields)
{
	EXPECT_REFUSED(-EINVAL, self->rule.type, 0);
	EXPECT_REFUSED(-EINVAL, self->rule.type, 8);
	EXPECT_REFUSED(-EINVAL, self->rule.type, 255);
	EXPECT_REFUSED(-EINVAL, self->rule.widths, 16);
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_READ_SHADOW);
	EXPECT_REFUSED(-EINVAL, self->rule.flags, 8);
	EXPECT_REFUSED(-EINVAL, self->rule.flags,
		       VIREO_RULE_WRITE_DROP | VIREO_RULE_WRITE_THROUGH);
	EXPECT_REFUSED(-EINVAL, self->rule.len, 0);
	EXPECT_REFUSED(-EINVAL, self->rule.len, 9);
	EXPECT_REFUSED(-EINVAL, self->rule.len, 0xffffffff);
	EXPECT_REFUSED(-EINVAL, self->rule.offset, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.offset, 0xffffffff);
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, 4089);
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, 0xffffffff);
	EXPECT_REFUSED(-EINVAL, self->rule.fd, self->event);
	EXPECT_REFUSED(-EINVAL, self->rule.value, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.mask, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.index, 4);
	EXPECT_REFUSED(-EINVAL, self->rule.reserved[0], 1);
	EXPECT_REFUSED(-EINVAL, self->rule.reserved[2], 1);
	EXPECT_REFUSED(-EINVAL, self->rule.index_mask, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_READ_CLEAR);

	self->rule.flags = VIREO_RULE_WRITE_THROUGH;
	self->rule.mask = 0xff;
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_WRITE_DROP);
	EXPECT_REFUSED(-EINVAL, self->rule.value, 1);
	self->add.len = 9;
	EXPECT_REFUSED(-EINVAL, self->rule.len, 9);
	self->add.len = 8;
	self->rule.flags = 0;
	self->rule.mask = 0;

	self->rule.type = VIREO_RULE_CONST;
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_WRITE_THROUGH);
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.mask, 1);

	self->rule.type = VIREO_RULE_EVENT;
	self->rule.fd = self->event;
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_WRITE_DROP);
	EXPECT_REFUSED(-EINVAL, self->rule.value, 1);	/* outside the mask */
	EXPECT_REFUSED(-EBADF, self->rule.fd, -1);
	EXPECT_REFUSED(-EBADF, self->rule.fd, self->dev);

	self->rule.fd = 0;
	self->rule.type = VIREO_RULE_INDEXED;
	self->rule.mask = 0xff;
	self->rule.value = 0x10;
	self->rule.index = 4092;
	self->rule.index_mask = 0x7f;
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_WRITE_DROP);
	EXPECT_REFUSED(-EINVAL, self->rule.fd, self->event);
	EXPECT_REFUSED(-EINVAL, self->rule.value, 0x100);
	EXPECT_REFUSED(-EINVAL, self->rule.mask, 0x1000000ff);
	EXPECT_REFUSED(-EINVAL, self->rule.index, 4096);
	EXPECT_REFUSED(-EINVAL, self->rule.index, 4090);
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, 4096 - 0x7f);
	EXPECT_REFUSED(-EINVAL, self->rule.index_mask, 0xffffffff);
	/* READ_ONES selects nothing. */
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_READ_ONES);
	EXPECT_GE(ADD(), 0);
}

TEST_F(io, clock_fields)
{
	self->rule.type = VIREO_RULE_CLOCK;
	EXPECT_EQ(ADD(), -EINVAL);	/* neither frequency nor mask */
	self->rule.value = 999999999;
	self->rule.mask = 1;
	EXPECT_REFUSED(-EINVAL, self->rule.value, 0);
	EXPECT_REFUSED(-EINVAL, self->rule.value, 1000000000);
	EXPECT_REFUSED(-EINVAL, self->rule.mask, 0);
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, 4);
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, 4096);
	EXPECT_REFUSED(-EINVAL, self->rule.fd, self->event);
	EXPECT_REFUSED(-EINVAL, self->rule.index, 4);
	EXPECT_REFUSED(-EINVAL, self->rule.index_mask, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_WRITE_THROUGH);
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_READ_CLEAR);
	self->add.len = 9;
	EXPECT_REFUSED(-EINVAL, self->rule.len, 9);
	self->rule.flags = VIREO_RULE_WRITE_DROP;
	/* The eight bytes of what is added must fit, the access need not. */
	self->rule.len = 1;
	self->rule.shadow = 4088;
	EXPECT_GE(ADD(), 0);
}

TEST_F(io, clear_fields)
{
	self->rule.type = VIREO_RULE_CLEAR;
	self->rule.flags = VIREO_RULE_READ_CLEAR | VIREO_RULE_WRITE_ONE_CLEAR;
	self->rule.fd = -1;
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, 4);
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, 4096);
	EXPECT_REFUSED(-EINVAL, self->rule.value, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.mask, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.index, 4);
	EXPECT_REFUSED(-EINVAL, self->rule.index_mask, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_WRITE_DROP);
	EXPECT_REFUSED(-EBADF, self->rule.fd, -2);
	EXPECT_REFUSED(-EBADF, self->rule.fd, self->dev);
	EXPECT_REFUSED(-EBADF, self->rule.fd, 12345);
	self->rule.shadow = 4088;
	EXPECT_GE(ADD(), 0);
	self->add.addr += 8;
	self->rule.fd = self->event;
	EXPECT_GE(ADD(), 0);
}

TEST_F(io, shadow_pages)
{
	struct area a;
	int id;

	self->add.shadow_pages = VIREO_MAX_SHADOW_PAGES;
	self->rule.shadow = VIREO_MAX_SHADOW_PAGES * VIREO_SHADOW_SIZE - 8;
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, self->rule.shadow + 1);
	EXPECT_REFUSED(-EINVAL, self->add.shadow_pages,
		       VIREO_MAX_SHADOW_PAGES - 1);
	EXPECT_REFUSED(-EINVAL, self->add.shadow_pages, 0xffffffff);
	id = ADD();
	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map_pages(self->vm, id, VIREO_MAX_SHADOW_PAGES, 0, &a),
		  0);
	area_unmap(&a);
	EXPECT_EQ(area_map_pages(self->vm, id, VIREO_MAX_SHADOW_PAGES + 1, 0,
				 &a), -ENXIO);
}

TEST_F(io, rules_beyond_the_shadow_page)
{
	/* A region may be longer than the page as long as no rule is. */
	self->add.bus = VIREO_BUS_MMIO;
	self->add.len = 0x10000;
	self->rule.offset = 0xf000;
	self->rule.len = 4096;
	EXPECT_GE(ADD(), 0);
	self->add.addr = 0x100000;
	self->rule.len = 4097;
	self->rule.offset = 0;
	EXPECT_EQ(ADD(), -EINVAL);
}

TEST_F(io, ring_fields)
{
	/* No POST rule: no ring. */
	EXPECT_REFUSED(-EINVAL, self->add.ring_fd, self->event);
	EXPECT_REFUSED(-EINVAL, self->add.ring_entries, 16);

	self->rule.type = VIREO_RULE_POST;
	EXPECT_EQ(ADD(), -EINVAL);
	self->add.ring_entries = 16;
	EXPECT_REFUSED(-EBADF, self->add.ring_fd, -2);
	self->add.ring_fd = self->event;
	EXPECT_REFUSED(-EINVAL, self->rule.shadow, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.value, 1);
	EXPECT_REFUSED(-EINVAL, self->rule.flags, VIREO_RULE_WRITE_DROP);
	EXPECT_REFUSED(-EINVAL, self->rule.mask, 1);
	EXPECT_REFUSED(-EINVAL, self->add.ring_entries, 0);
	EXPECT_REFUSED(-EINVAL, self->add.ring_entries, 15);
	EXPECT_REFUSED(-EINVAL, self->add.ring_entries, 0x80000000);
	EXPECT_REFUSED(-EBADF, self->add.ring_fd, self->dev);
	EXPECT_GE(ADD(), 0);
}

TEST_F(io, overlap)
{
	ASSERT_GE(ADD(), 0);
	EXPECT_EQ(ADD(), -EEXIST);
	self->add.addr = 0x3ff;
	EXPECT_EQ(ADD(), -EEXIST);
	self->add.addr = 0x3f1;
	EXPECT_EQ(ADD(), -EEXIST);
	self->add.addr = 0x3f0;
	EXPECT_GE(ADD(), 0);
	self->add.addr = 0x400;
	EXPECT_GE(ADD(), 0);
	/* The other bus has addresses of its own. */
	self->add.addr = 0x3f8;
	self->add.bus = VIREO_BUS_MMIO;
	EXPECT_GE(ADD(), 0);
}

TEST_F(io, too_many_regions)
{
	struct vireo_info info = { .size = sizeof(info) };
	unsigned int i;
	int id = 0;

	ASSERT_EQ(IOCTL(self->dev, VIREO_INFO, &info), 0);
	self->rule.len = 1;
	self->add.len = 1;
	for (i = 0; i < info.max_regions; i++) {
		self->add.addr = i;
		id = ADD();
		ASSERT_GE(id, 0);
	}
	self->add.addr = i;
	EXPECT_EQ(ADD(), -ENOSPC);
	EXPECT_EQ(io_del(self->vm, id), 0);
	EXPECT_GE(ADD(), 0);
}

TEST_F(io, kvm_bus_is_full)
{
	int vms[8], n = 0, ret = 0;
	unsigned int i;

	if (exit_path(self->dev) != VIREO_EXIT_PATH_BUS)
		SKIP(return, "regions are not on KVM's bus");
	self->rule.len = 1;
	self->add.len = 1;
	for (i = 0; i < 2048 && ret >= 0; i++) {
		if (i % 256 == 0) {
			ASSERT_LT(n, 8);
			vms[n] = vireo_vm_open(self->dev, self->kvm_vm, "");
			ASSERT_GE(vms[n], 0);
			n++;
		}
		self->add.addr = i;
		ret = io_add(vms[n - 1], &self->add);
	}
	EXPECT_EQ(ret, -ENOSPC);
	EXPECT_GT(i, 900);
	while (n--)
		close(vms[n]);
	/* All is undone. */
	EXPECT_GE(ADD(), 0);
}

TEST_F(io, too_many_rules)
{
	struct vireo_info info = { .size = sizeof(info) };
	struct vireo_rule *rules;

	ASSERT_EQ(IOCTL(self->dev, VIREO_INFO, &info), 0);
	rules = calloc(info.max_rules + 1, sizeof(*rules));
	for (unsigned int i = 0; i <= info.max_rules; i++)
		rules[i] = self->rule;
	self->add.rules = (uintptr_t)rules;
	self->add.nr_rules = info.max_rules + 1;
	EXPECT_EQ(ADD(), -EINVAL);
	self->add.nr_rules = info.max_rules;
	EXPECT_GE(ADD(), 0);
	free(rules);
}

TEST_F(io, id_cannot_be_written)
{
	struct vireo_io_add *ro = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(ro, MAP_FAILED);
	*ro = self->add;
	ASSERT_EQ(mprotect(ro, 4096, PROT_READ), 0);
	/* Nothing is added, nor an id lost, however often. */
	for (int i = 0; i < 1000; i++)
		ASSERT_EQ(io_add(self->vm, ro), -EFAULT);
	EXPECT_GE(ADD(), 0);
}

TEST_F(io, ids)
{
	struct vireo_io_id arg = { .size = sizeof(arg) };

	arg.id = ADD();
	arg.flags = VIREO_IO_DISABLED;
	EXPECT_EQ(IOCTL(self->vm, VIREO_IO_DEL, &arg), -EINVAL);
	EXPECT_EQ(IOCTL(self->vm, VIREO_IO_ENABLE, &arg), 0);
	EXPECT_EQ(IOCTL(self->vm, VIREO_IO_ENABLE, &arg), 0);
	arg.flags = 2;
	EXPECT_EQ(IOCTL(self->vm, VIREO_IO_DEL, &arg), -EINVAL);
	EXPECT_EQ(IOCTL(self->vm, VIREO_IO_ENABLE, &arg), -EINVAL);
	arg.flags = 0;
	arg.reserved = 1;
	EXPECT_EQ(IOCTL(self->vm, VIREO_IO_DEL, &arg), -EINVAL);
	EXPECT_EQ(IOCTL(self->vm, VIREO_IO_ENABLE, &arg), -EINVAL);
	EXPECT_EQ(io_del(self->vm, 12345), -ENOENT);
	EXPECT_EQ(io_enable(self->vm, 0xffffffff), -ENOENT);
	EXPECT_EQ(io_enable(self->vm, arg.id), 0);
	EXPECT_EQ(io_enable(self->vm, arg.id), 0);
	/* Not an ioctl of a VM. */
	EXPECT_EQ(IOCTL(self->vm, VIREO_INFO, &arg), -ENOTTY);
	EXPECT_EQ(IOCTL(self->dev, VIREO_IO_DEL, &arg), -ENOTTY);
}

TEST_F(io, another_address_space)
{
	int id = ADD();
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(io_del(self->vm, id) == -EPERM &&
		      ADD() == -EPERM ? 0 : 1);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(io_del(self->vm, id), 0);
}

#define MMAP(size, prot, flags, offset)				\
	({ void *p_ = mmap(NULL, size, prot, flags, self->vm,	\
			   offset);				\
	   p_ == MAP_FAILED ? -errno : munmap(p_, size); })

TEST_F(io, mmap_checks)
{
	const int rw = PROT_READ | PROT_WRITE;
	uint64_t at;
	int id, ret;

	self->rule.type = VIREO_RULE_POST;
	self->add.ring_entries = 256;	/* 128 + 4096 bytes: two pages */
	self->add.ring_fd = self->event;
	id = ADD();
	ASSERT_GE(id, 0);
	at = id * VIREO_IO_AREA_STRIDE;

	EXPECT_EQ(MMAP(3 * 4096, rw, MAP_SHARED, at), 0);
	EXPECT_EQ(MMAP(4096, rw, MAP_SHARED, at), 0);
	EXPECT_EQ(MMAP(4096, PROT_READ, MAP_SHARED, at), 0);
	EXPECT_EQ(MMAP(4 * 4096, rw, MAP_SHARED, at), -ENXIO);
	EXPECT_EQ(MMAP(4096, rw, MAP_SHARED, at + 4096), -EINVAL);
	EXPECT_EQ(MMAP(4096, rw, MAP_SHARED, at + VIREO_IO_AREA_STRIDE),
		  -ENXIO);
	EXPECT_EQ(MMAP(4096, rw, MAP_SHARED, 1ULL << 62), -ENXIO);
	EXPECT_EQ(MMAP(4096, rw, MAP_PRIVATE, at), -EINVAL);
	/* Newer kernels refuse code of such files before the module can. */
	ret = MMAP(4096, PROT_READ | PROT_EXEC, MAP_SHARED, at);
	EXPECT_TRUE(ret == -EINVAL || ret == -EPERM);
}

TEST_F(io, mapping_rules)
{
	struct area area;
	void *p;
	int id = ADD();

	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 0, &area), 0);
	/* It starts as zeros, never becomes code, and does not grow. */
	for (int i = 0; i < VIREO_SHADOW_SIZE; i++)
		ASSERT_EQ(area.shadow[i], 0);
	EXPECT_EQ(mprotect(area.shadow, 4096, PROT_READ | PROT_EXEC), -1);
	EXPECT_EQ(errno, EACCES);
	p = mremap(area.shadow, 4096, 8192, MREMAP_MAYMOVE);
	EXPECT_EQ(p, MAP_FAILED);
	area_unmap(&area);
}

TEST_F(io, mapping_outlives_region_and_vm)
{
	struct area area;
	int id = ADD();

	ASSERT_GE(id, 0);
	ASSERT_EQ(area_map(self->vm, id, 0, &area), 0);
	strcpy((char *)area.shadow, "still here");
	EXPECT_EQ(io_del(self->vm, id), 0);
	EXPECT_EQ(strcmp((char *)area.shadow, "still here"), 0);
	close(self->vm);
	self->vm = -1;
	EXPECT_EQ(strcmp((char *)area.shadow, "still here"), 0);
	area_unmap(&area);
}

TEST_HARNESS_MAIN
