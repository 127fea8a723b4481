// SPDX-License-Identifier: GPL-2.0
/* Closing, dying and unloading in every order. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "guest.h"

#define PORT 0x500

/* What a test works with, in memory of its own. */
struct host {
	struct guest g;
	int dev;
	int vm;
	int event;
	int id;
};

/* A guest with a region that posts, and one that reads a shadow; 0 or -errno. */
static int host_open(struct host *h, int vcpus)
{
	struct vireo_rule rules[] = {
		{ .type = VIREO_RULE_SHADOW, .len = 4 },
		{ .type = VIREO_RULE_POST, .len = 4 },
	};
	struct vireo_io_add add = io_template(VIREO_BUS_PIO, PORT, 4, rules, 2);
	int ret;

	ret = guest_create(&h->g, vcpus);
	if (ret)
		return ret;
	h->dev = vireo_open();
	h->vm = vireo_vm_open(h->dev, h->g.vm, "lifetime");
	ret = guest_attach(&h->g, h->dev, h->vm);
	if (ret)
		return ret;
	h->event = eventfd(0, EFD_NONBLOCK);
	add.ring_entries = 64;
	add.ring_fd = h->event;
	h->id = io_add(h->vm, &add);
	return h->id < 0 ? h->id : 0;
}

static struct host *host_new(void)
{
	return mmap(NULL, sizeof(struct host), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* A guest that reads and writes the region for ever. */
static void add_endless(struct host *h, int vcpu)
{
	guest_add(&h->g, vcpu, GUEST_IN, 1, PORT, 0)->repeat = 100;
	guest_add(&h->g, vcpu, GUEST_OUT, 1, PORT, 1)->repeat = 100;
	guest_add(&h->g, vcpu, GUEST_AGAIN, 1, 0, 0);
}

struct job {
	struct host *h;
	int vcpu;
};

static void *run_vcpu(void *arg)
{
	struct job *job = arg;

	return (void *)(intptr_t)guest_run(&job->h->g, job->vcpu);
}

FIXTURE(lifetime)
{
	struct host *h;
};

FIXTURE_SETUP(lifetime)
{
	int ret;

	self->h = host_new();
	ret = host_open(self->h, 2);
	if (ret == -EOPNOTSUPP || ret == -ENOENT || ret == -ENODEV)
		SKIP_SETUP("no guest: %s", strerror(-ret));
	ASSERT_EQ(ret, 0);
}

FIXTURE_TEARDOWN(lifetime)
{
}

TEST_F(lifetime, kvm_descriptor_closed_first)
{
	struct host *h = self->h;
	bool passed;

	close(h->g.vm);
	h->g.vm = -1;
	guest_access(&h->g, GUEST_IN, 1, PORT, 0, &passed);
	EXPECT_FALSE(passed);
	/* The object holds the VM. */
	EXPECT_EQ(io_del(h->vm, h->id), 0);
	guest_access(&h->g, GUEST_IN, 1, PORT, 0, &passed);
	EXPECT_TRUE(passed);
	EXPECT_EQ(close(h->vm), 0);
	EXPECT_TRUE(vm_gone(getpid()));
	guest_access(&h->g, GUEST_IN, 1, PORT, 0, &passed);
	EXPECT_TRUE(passed);
	guest_destroy(&h->g);
}

TEST_F(lifetime, all_of_kvm_closed_first)
{
	struct host *h = self->h;
	struct vireo_rule rule = { .type = VIREO_RULE_CONST, .len = 1 };
	struct vireo_io_add add = io_template(VIREO_BUS_MMIO, 0, 1, &rule, 1);

	guest_destroy(&h->g);
	/* KVM's VM is still there and changes still work. */
	EXPECT_GE(io_add(h->vm, &add), 0);
	EXPECT_EQ(io_del(h->vm, h->id), 0);
	EXPECT_EQ(close(h->vm), 0);
	EXPECT_TRUE(vm_gone(getpid()));
}

TEST_F(lifetime, vm_descriptor_closed_first)
{
	struct host *h = self->h;
	bool passed;

	EXPECT_EQ(close(h->vm), 0);
	EXPECT_TRUE(vm_gone(getpid()));
	guest_access(&h->g, GUEST_IN, 1, PORT, 0, &passed);
	EXPECT_TRUE(passed);
	guest_destroy(&h->g);
}

TEST_F(lifetime, closing_undoes_in_spite_of_a_mapping)
{
	struct host *h = self->h;
	struct area a;
	bool passed;

	ASSERT_EQ(area_map(h->vm, h->id, 64, &a), 0);
	EXPECT_EQ(close(h->vm), 0);
	EXPECT_TRUE(vm_gone(getpid()));
	guest_access(&h->g, GUEST_IN, 1, PORT, 0, &passed);
	EXPECT_TRUE(passed);
	a.shadow[0] = 1;
	area_unmap(&a);
}

TEST_F(lifetime, device_and_eventfd_closed_first)
{
	struct host *h = self->h;
	bool passed;

	close(h->dev);
	close(h->event);
	guest_access(&h->g, GUEST_OUT, 1, PORT, 1, &passed);
	EXPECT_FALSE(passed);
	EXPECT_EQ(io_del(h->vm, h->id), 0);
}

TEST_F_TIMEOUT(lifetime, regions_come_and_go_under_a_running_guest, 120)
{
	struct host *h = self->h;
	struct vireo_rule rule = { .type = VIREO_RULE_SHADOW, .len = 4,
				   .flags = VIREO_RULE_WRITE_THROUGH };
	struct job jobs[2] = { { h, 0 }, { h, 1 } };
	struct vireo_io_add add;
	pthread_t t[2];
	int id;

	ASSERT_EQ(io_del(h->vm, h->id), 0);
	for (int v = 0; v < 2; v++) {
		add_endless(h, v);
		ASSERT_EQ(pthread_create(&t[v], NULL, run_vcpu, &jobs[v]), 0);
	}
	for (int i = 0; i < 200; i++) {
		add = io_template(VIREO_BUS_PIO, PORT, 4, &rule, 1);
		id = io_add(h->vm, &add);
		ASSERT_GE(id, 0);
		if (i % 3 == 0)
			usleep(1000);
		ASSERT_EQ(io_del(h->vm, id), 0);
	}
	add = io_template(VIREO_BUS_PIO, PORT, 4, &rule, 1);
	ASSERT_GE(io_add(h->vm, &add), 0);
	/* The guest runs on; the process's end takes all down. */
}

TEST_F(lifetime, closed_under_a_running_guest)
{
	struct host *h = self->h;
	struct job job = { h, 0 };
	pthread_t t;

	add_endless(h, 0);
	ASSERT_EQ(pthread_create(&t, NULL, run_vcpu, &job), 0);
	usleep(20000);
	EXPECT_EQ(close(h->vm), 0);
	EXPECT_TRUE(vm_gone(getpid()));
	usleep(20000);
}

/* In a child: opens all, runs a guest, says so, and waits to be killed. */
static void child_main(int ready)
{
	struct host *h = host_new();
	struct job jobs[2] = { { h, 0 }, { h, 1 } };
	pthread_t t;

	if (host_open(h, 2))
		_exit(1);
	for (int v = 0; v < 2; v++) {
		add_endless(h, v);
		pthread_create(&t, NULL, run_vcpu, &jobs[v]);
	}
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(lifetime, killed_under_a_running_guest, 120)
{
	char c, dir[64];
	int fds[2];
	pid_t pid;

	ASSERT_EQ(pipe(fds), 0);
	for (int i = 0; i < 5; i++) {
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			child_main(fds[1]);
		ASSERT_EQ(read(fds[0], &c, 1), 1);
		usleep(10000 * i);
		EXPECT_TRUE(stats_dir(pid, dir, sizeof(dir)));
		ASSERT_EQ(kill(pid, SIGKILL), 0);
		ASSERT_EQ(waitpid(pid, NULL, 0), pid);
		EXPECT_TRUE(vm_gone(pid));
	}
}

TEST_F(lifetime, fork_shares)
{
	struct host *h = self->h;
	int status, fds[2];
	struct area a;
	pid_t pid;
	char c;

	ASSERT_EQ(area_map(h->vm, h->id, 64, &a), 0);
	ASSERT_EQ(pipe(fds), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		a.shadow[0] = 0x31;
		close(fds[1]);
		/* Until the parent closed its own. */
		if (read(fds[0], &c, 1) != 0)
			_exit(1);
		_exit(io_del(h->vm, h->id) == -EPERM ? 0 : 2);
	}
	close(h->vm);
	/* The child's copy keeps it. */
	EXPECT_FALSE(vm_gone(getpid()));
	close(fds[0]);
	close(fds[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(a.shadow[0], 0x31);
	EXPECT_TRUE(vm_gone(getpid()));
}

TEST_F(lifetime, passed_over_a_socket)
{
	struct host *h = self->h;
	int sock[2], status;
	struct area a;
	pid_t pid;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	ASSERT_EQ(area_map(h->vm, h->id, 64, &a), 0);
	a.shadow[0] = 0x21;
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct area theirs;
		int vm;

		close(h->vm);
		vm = receive_fd(sock[1]);
		/* It may look, as a device process does; not change. */
		_exit(vm >= 0 && io_del(vm, h->id) == -EPERM &&
		      area_map(vm, h->id, 64, &theirs) == 0 &&
		      theirs.shadow[0] == 0x21 ? 0 : 1);
	}
	ASSERT_EQ(send_fd(sock[0], h->vm), 0);
	close(h->vm);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(vm_gone(getpid()));
}

TEST_F(lifetime, in_flight_on_a_socket)
{
	struct host *h = self->h;
	int sock[2];

	/* The last reference is one that nobody ever received. */
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	ASSERT_EQ(send_fd(sock[0], h->vm), 0);
	close(h->vm);
	EXPECT_FALSE(vm_gone(getpid()));
	close(sock[0]);
	close(sock[1]);
	EXPECT_TRUE(vm_gone(getpid()));
}

/* The tests of unloading need a module that nobody else uses. */
#define REQUIRE_UNUSED_MODULE() do {					\
	if (!getenv("VIREO_KO"))					\
		SKIP(return, "VIREO_KO is not set");			\
	if (module_refcount() != 0)					\
		SKIP(return, "the module is in use by others");		\
} while (0)

FIXTURE(module)
{
};

FIXTURE_SETUP(module)
{
}

FIXTURE_TEARDOWN(module)
{
}

TEST_F(module, unload_is_refused_while_in_use)
{
	struct host *h = host_new();
	struct area a;
	int ret;

	REQUIRE_UNUSED_MODULE();
	ret = host_open(h, 1);
	if (ret == -EOPNOTSUPP || ret == -ENOENT || ret == -ENODEV)
		SKIP(return, "no guest: %s", strerror(-ret));
	ASSERT_EQ(ret, 0);
	EXPECT_EQ(module_unload(), -EWOULDBLOCK);
	close(h->dev);
	EXPECT_EQ(module_unload(), -EWOULDBLOCK);
	guest_destroy(&h->g);
	EXPECT_EQ(module_unload(), -EWOULDBLOCK);
	ASSERT_EQ(area_map(h->vm, h->id, 64, &a), 0);
	close(h->vm);
	EXPECT_EQ(module_unload(), -EWOULDBLOCK);
	area_unmap(&a);
	EXPECT_EQ(module_unload_soon(), 0);
	EXPECT_LT(access("/dev/vireo", F_OK), 0);
	EXPECT_LT(access(STATS_ROOT, F_OK), 0);
	EXPECT_EQ(module_load(NULL), 0);
	EXPECT_EQ(access("/dev/vireo", F_OK), 0);
}

TEST_F(module, a_vcpu_keeps_it)
{
	struct host *h = host_new();
	void *page;
	int ret, fd;

	REQUIRE_UNUSED_MODULE();
	ret = guest_create(&h->g, 1);
	if (ret == -ENOENT || ret == -ENODEV)
		SKIP(return, "no guest: %s", strerror(-ret));
	ASSERT_EQ(ret, 0);
	h->dev = vireo_open();
	h->vm = vireo_vm_open(h->dev, h->g.vm, "vcpu");
	fd = guest_vcpu_create(&h->g, h->vm, 0);
	if (fd == -EOPNOTSUPP)
		SKIP(return, "the exit path is off");
	ASSERT_GE(fd, 0);
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(page, MAP_FAILED);
	close(h->vm);
	close(h->dev);
	guest_destroy(&h->g);
	EXPECT_EQ(module_unload(), -EWOULDBLOCK);
	close(fd);
	EXPECT_EQ(module_unload(), -EWOULDBLOCK);
	munmap(page, 4096);
	EXPECT_EQ(module_unload_soon(), 0);
	EXPECT_EQ(module_load(NULL), 0);
}

TEST_F_TIMEOUT(module, load_and_unload_repeatedly, 120)
{
	REQUIRE_UNUSED_MODULE();
	for (int i = 0; i < 20; i++) {
		struct host *h = host_new();
		bool passed;
		int ret;

		ASSERT_EQ(module_unload_soon(), 0);
		ASSERT_EQ(module_load(NULL), 0);
		ret = host_open(h, 1);
		if (ret == -EOPNOTSUPP || ret == -ENOENT || ret == -ENODEV)
			SKIP(return, "no guest: %s", strerror(-ret));
		ASSERT_EQ(ret, 0);
		guest_access(&h->g, GUEST_IN, 1, PORT, 0, &passed);
		EXPECT_FALSE(passed);
		close(h->vm);
		close(h->dev);
		guest_destroy(&h->g);
	}
}

TEST_F(module, exit_path_parameter)
{
	struct vireo_info info = { .size = sizeof(info) };
	struct vireo_rule rule = { .type = VIREO_RULE_CONST, .len = 1 };
	struct vireo_io_add add = io_template(VIREO_BUS_PIO, 1, 1, &rule, 1);
	struct vireo_vcpu_create create = { .size = sizeof(create) };
	int dev, kvm, vm;

	REQUIRE_UNUSED_MODULE();
	ASSERT_EQ(module_unload_soon(), 0);
	EXPECT_EQ(module_load("exit_path=fast"), -EINVAL);
	EXPECT_EQ(module_load("exit_path="), -EINVAL);
	ASSERT_EQ(module_load("exit_path=off"), 0);
	dev = vireo_open();
	EXPECT_EQ(IOCTL(dev, VIREO_INFO, &info), 0);
	EXPECT_EQ(info.exit_path, VIREO_EXIT_PATH_OFF);
	kvm = kvm_vm_open();
	if (kvm >= 0) {
		vm = vireo_vm_open(dev, kvm, "off");
		EXPECT_GE(vm, 0);
		EXPECT_EQ(io_add(vm, &add), -EOPNOTSUPP);
		EXPECT_EQ(IOCTL(vm, VIREO_VCPU_CREATE, &create), -EOPNOTSUPP);
		close(vm);
		close(kvm);
	}
	close(dev);
	EXPECT_EQ(module_unload_soon(), 0);

	ASSERT_EQ(module_load("exit_path=bus"), 0);
	dev = vireo_open();
	EXPECT_EQ(exit_path(dev), VIREO_EXIT_PATH_BUS);
	close(dev);
	EXPECT_EQ(module_unload_soon(), 0);

	ASSERT_EQ(module_load("exit_path=run"), 0);
	dev = vireo_open();
	EXPECT_EQ(exit_path(dev), VIREO_EXIT_PATH_RUN);
	close(dev);
	EXPECT_EQ(module_unload_soon(), 0);

	/* Never off by itself. */
	ASSERT_EQ(module_load("exit_path=auto"), 0);
	dev = vireo_open();
	EXPECT_NE(exit_path(dev), VIREO_EXIT_PATH_OFF);
	close(dev);
	EXPECT_EQ(module_unload_soon(), 0);
	EXPECT_EQ(module_load(NULL), 0);
}

TEST_HARNESS_MAIN
