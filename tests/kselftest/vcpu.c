// SPDX-License-Identifier: GPL-2.0
/* VIREO_VCPU_CREATE: its errors, and the page of a vCPU. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

FIXTURE(vcpu)
{
	struct guest *g;
	int dev, vm;
	struct vireo_vcpu_create arg;
};

FIXTURE_SETUP(vcpu)
{
	int ret;

	self->g = mmap(NULL, sizeof(*self->g), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = guest_create(self->g, 2);
	if (ret)
		SKIP(return, "no guest: %s", strerror(-ret));
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
	if (exit_path(self->dev) == VIREO_EXIT_PATH_OFF)
		SKIP(return, "the exit path is off");
	self->vm = vireo_vm_open(self->dev, self->g->vm, "vcpu");
	ASSERT_GE(self->vm, 0);
	self->arg = (struct vireo_vcpu_create){
		.size = sizeof(self->arg),
		.vcpu_fd = self->g->vcpu[1],
		.id = 1,
		.run = (uintptr_t)self->g->run[1],
	};
}

FIXTURE_TEARDOWN(vcpu)
{
	close(self->vm);
	close(self->dev);
	guest_destroy(self->g);
}

#define CREATE() IOCTL(self->vm, VIREO_VCPU_CREATE, &self->arg)

/* The arguments with one thing changed must be refused. */
#define EXPECT_REFUSED(error, field, bad) do {				\
	struct vireo_vcpu_create arg_ = self->arg;			\
	arg_.field = bad;						\
	EXPECT_EQ(IOCTL(self->vm, VIREO_VCPU_CREATE, &arg_), error) {	\
		TH_LOG("with %s = %s", #field, #bad);			\
	}								\
} while (0)

TEST_F(vcpu, gives_a_descriptor)
{
	int fd = CREATE();

	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(close(fd), 0);
	/* Closing undoes it. */
	fd = CREATE();
	EXPECT_GE(fd, 0);
	close(fd);
}

TEST_F(vcpu, once_for_each_vcpu)
{
	int fd = CREATE(), other;

	ASSERT_GE(fd, 0);
	EXPECT_EQ(CREATE(), -EEXIST);
	other = guest_vcpu_create(self->g, self->vm, 0);
	EXPECT_GE(other, 0);
	close(other);
	close(fd);
}

TEST_F(vcpu, size_flags_id)
{
	EXPECT_REFUSED(-EINVAL, size, sizeof(self->arg) - 1);
	EXPECT_REFUSED(-EINVAL, size, 0);
	EXPECT_REFUSED(-EINVAL, flags, 1);
	/* Another vCPU's, nobody's, and beyond what there can be. */
	EXPECT_REFUSED(-EINVAL, id, 0);
	EXPECT_REFUSED(-EINVAL, id, 2);
	EXPECT_REFUSED(-EINVAL, id, VIREO_MAX_VCPUS);
	EXPECT_REFUSED(-EINVAL, id, 0x10001);
	EXPECT_REFUSED(-EINVAL, id, 0xffffffff);
	EXPECT_EQ(IOCTL(self->vm, VIREO_VCPU_CREATE, NULL), -EFAULT);
}

TEST_F(vcpu, not_open)
{
	EXPECT_REFUSED(-EBADF, vcpu_fd, -1);
	EXPECT_REFUSED(-EBADF, vcpu_fd, 1000000);
	EXPECT_REFUSED(-EBADF, vcpu_fd, open("/", O_PATH));
}

TEST_F(vcpu, not_a_vcpu_of_this_vm)
{
	struct guest *other = mmap(NULL, sizeof(*other), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fds[2];

	ASSERT_EQ(pipe(fds), 0);
	ASSERT_EQ(guest_create(other, 2), 0);
	const int wrong[] = { self->g->vm, self->vm, self->dev, fds[0],
			      eventfd(0, 0), open("/dev/null", O_RDWR),
			      open("/dev/kvm", O_RDWR), CREATE(),
			      ioctl(self->g->vcpu[1], KVM_GET_STATS_FD, NULL),
			      other->vcpu[1] };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		ASSERT_GE(wrong[i], 0);
		EXPECT_REFUSED(-EINVAL, vcpu_fd, wrong[i]);
	}
	guest_destroy(other);
}

TEST_F(vcpu, not_its_mapping)
{
	const int rw = PROT_READ | PROT_WRITE;
	int fd = self->g->vcpu[1];
	char *good = (char *)self->g->run[1];
	void *anon = mmap(NULL, 8192, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	void *private = mmap(NULL, 8192, rw, MAP_PRIVATE, fd, 0);
	void *readable = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	char *page = mmap(NULL, 8192, rw, MAP_SHARED, fd, 0);
	void *second = mmap(NULL, 8192, rw, MAP_SHARED, fd, 4096);
	void *other = self->g->run[0];

	ASSERT_EQ(munmap(page + 4096, 4096), 0);
	void *const wrong[] = { NULL, good + 8, good + 4096, good - 4096, anon,
				private, readable, page, page + 4096, second,
				other, (void *)-4096UL, (void *)-8192UL,
				(void *)(1UL << 47) };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		ASSERT_NE(wrong[i], MAP_FAILED);
		EXPECT_REFUSED(-EINVAL, run, (uintptr_t)wrong[i]);
	}
	/* Any that is good will do, also if it goes away. */
	good = mmap(NULL, 8192, rw, MAP_SHARED, fd, 0);
	self->arg.run = (uintptr_t)good;
	fd = CREATE();
	EXPECT_GE(fd, 0);
	munmap(good, 8192);
	close(fd);
}

TEST_F(vcpu, another_address_space)
{
	int fd = CREATE(), status;
	pid_t pid;

	ASSERT_GE(fd, 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		self->arg.vcpu_fd = self->g->vcpu[0];
		self->arg.id = 0;
		self->arg.run = (uintptr_t)self->g->run[0];
		if (CREATE() != -EPERM)
			_exit(1);
		if (IOCTL(fd, VIREO_VCPU_RUN, 0) != -EPERM)
			_exit(2);
		if (IOCTL(fd, _IO(VIREO_IOC, 0x81), 0) != -EPERM)
			_exit(3);
		/* It may look at the page. */
		_exit(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) ==
		      MAP_FAILED ? 4 : 0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	close(fd);
}

TEST_F(vcpu, no_descriptor_left)
{
	struct rlimit limit = { .rlim_cur = 0, .rlim_max = 4096 };
	int fd;

	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	EXPECT_EQ(CREATE(), -EMFILE);
	limit.rlim_cur = 64;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* Undone. */
	fd = CREATE();
	EXPECT_GE(fd, 0);
	close(fd);
}

TEST_F(vcpu, unknown_numbers)
{
	int fd = CREATE();
	unsigned int nr;

	ASSERT_GE(fd, 0);
	for (nr = 0; nr < 256; nr++) {
		if (nr != _IOC_NR(VIREO_VCPU_RUN)) {
			EXPECT_EQ(IOCTL(fd, _IO(VIREO_IOC, nr), 0), -ENOTTY);
		}
		EXPECT_EQ(IOCTL(fd, _IO(0xae, nr), 0), -ENOTTY);
		EXPECT_EQ(IOCTL(fd, _IOWR(VIREO_IOC, nr, int), 0), -ENOTTY);
	}
	EXPECT_EQ(IOCTL(fd, VIREO_VCPU_RUN, 1), -EINVAL);
	EXPECT_EQ(IOCTL(fd, VIREO_VCPU_RUN, &nr), -EINVAL);
	close(fd);
}

TEST_F(vcpu, page)
{
	const int rw = PROT_READ | PROT_WRITE;
	struct vireo_vcpu_page *page, *again;
	int fd = CREATE();

	ASSERT_GE(fd, 0);
	EXPECT_EQ(mmap(NULL, 4096, rw, MAP_PRIVATE, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, 4096, rw | PROT_EXEC, MAP_SHARED, fd, 0),
		  MAP_FAILED);
	/* Newer kernels refuse code of such files before the module can. */
	EXPECT_TRUE(errno == EINVAL || errno == EPERM);
	EXPECT_EQ(mmap(NULL, 4096, rw, MAP_SHARED, fd, 4096), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, 8192, rw, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, ENXIO);

	page = mmap(NULL, 4096, rw, MAP_SHARED, fd, 0);
	ASSERT_NE(page, MAP_FAILED);
	again = mmap(NULL, 4096, rw, MAP_SHARED, fd, 0);
	ASSERT_NE(again, MAP_FAILED);
	for (int i = 0; i < VIREO_NR_EXITS; i++)
		EXPECT_EQ(page->exits[i], 0);
	for (int i = 0; i < VIREO_NR_BUCKETS; i++)
		EXPECT_EQ(page->user_time[i], 0);
	page->exits[2] = 5;
	EXPECT_EQ(again->exits[2], 5);
	EXPECT_NE(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
	EXPECT_EQ(mremap(page, 4096, 8192, MREMAP_MAYMOVE), MAP_FAILED);
	munmap(again, 4096);

	/* It stays memory. */
	close(fd);
	close(self->vm);
	EXPECT_EQ(page->exits[2], 5);
	page->exits[2] = 6;
	munmap(page, 4096);
}

/* Descriptors and a mapping, to be given up in any order. */
enum { KVM_VM, KVM_VCPU, VM, VCPU, MAPPING, NR_PARTS };

static void give_up(struct guest *g, int vm, int vcpu, int part)
{
	switch (part) {
	case KVM_VM:
		close(g->vm);
		break;
	case KVM_VCPU:
		close(g->vcpu[0]);
		break;
	case VM:
		close(vm);
		break;
	case VCPU:
		close(vcpu);
		break;
	case MAPPING:
		munmap(g->run[0], g->run_size);
		break;
	}
}

/* The n-th order of the parts. */
static void order(int n, int *parts)
{
	int i, j, rest[NR_PARTS] = { 0, 1, 2, 3, 4 };

	for (i = 0; i < NR_PARTS; i++) {
		j = n % (NR_PARTS - i);
		n /= NR_PARTS - i;
		parts[i] = rest[j];
		memmove(&rest[j], &rest[j + 1], (NR_PARTS - 1 - j) * sizeof(int));
	}
}

TEST_F_TIMEOUT(vcpu, closed_in_every_order, 120)
{
	struct vireo_rule rule = { .type = VIREO_RULE_CONST, .len = 1 };
	struct vireo_io_add add = io_template(VIREO_BUS_PIO, 0x500, 1, &rule, 1);
	struct guest *g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int parts[NR_PARTS], n, i, vm, vcpu;

	for (n = 0; n < 120; n++) {
		ASSERT_EQ(guest_create(g, 1), 0);
		vm = vireo_vm_open(self->dev, g->vm, "order");
		ASSERT_GE(io_add(vm, &add), 0);
		vcpu = guest_vcpu_create(g, vm, 0);
		ASSERT_GE(vcpu, 0);
		guest_add(g, 0, GUEST_IN, 1, 0x500, 0);
		ASSERT_EQ(guest_restart(g, 0), 0);
		order(n, parts);
		for (i = 0; i < NR_PARTS; i++) {
			give_up(g, vm, vcpu, parts[i]);
			/* Runs on as long as it is there. */
			if (parts[i] == VCPU)
				vcpu = -1;
			if (vcpu >= 0) {
				ASSERT_EQ(IOCTL(vcpu, VIREO_VCPU_RUN, 0), 0);
			}
		}
		munmap(g->mem, GUEST_MEM);
	}
}

TEST_HARNESS_MAIN
