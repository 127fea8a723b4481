// SPDX-License-Identifier: GPL-2.0
/* VIREO_VM_CREATE. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"

FIXTURE(vm_create)
{
	int dev;
	int kvm_vm;
	struct vireo_vm_create arg;
};

FIXTURE_SETUP(vm_create)
{
	self->kvm_vm = kvm_vm_open();
	if (self->kvm_vm < 0)
		SKIP_SETUP("no KVM: %s", strerror(-self->kvm_vm));
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
	self->arg = (struct vireo_vm_create){
		.size = sizeof(self->arg),
		.kvm_fd = self->kvm_vm,
		.name = "a name",
	};
}

FIXTURE_TEARDOWN(vm_create)
{
	close(self->kvm_vm);
	close(self->dev);
}

#define CREATE() IOCTL(self->dev, VIREO_VM_CREATE, &self->arg)

TEST_F(vm_create, gives_a_descriptor)
{
	int vm = CREATE();

	ASSERT_GE(vm, 0);
	EXPECT_EQ(fcntl(vm, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(close(vm), 0);
}

TEST_F(vm_create, twice_on_one_kvm_vm)
{
	int a = CREATE(), b = CREATE();

	EXPECT_GE(a, 0);
	EXPECT_GE(b, 0);
	close(a);
	close(b);
}

TEST_F(vm_create, not_open)
{
	self->arg.kvm_fd = -1;
	EXPECT_EQ(CREATE(), -EBADF);
	self->arg.kvm_fd = 1000000;
	EXPECT_EQ(CREATE(), -EBADF);
}

TEST_F(vm_create, not_a_kvm_vm)
{
	int kvm = open("/dev/kvm", O_RDWR);
	int event = eventfd(0, 0);
	int null = open("/dev/null", O_RDWR);
	int path = open("/", O_PATH);
	int vm, vcpu, fds[2];

	ASSERT_EQ(pipe(fds), 0);
	vcpu = ioctl(self->kvm_vm, KVM_CREATE_VCPU, 0);
	ASSERT_GE(vcpu, 0);
	vm = CREATE();
	ASSERT_GE(vm, 0);

	const int wrong[] = { kvm, event, null, fds[0], vcpu, vm, self->dev };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		self->arg.kvm_fd = wrong[i];
		EXPECT_EQ(CREATE(), -EINVAL);
	}
	/* Not a file that anything can be done with. */
	self->arg.kvm_fd = path;
	EXPECT_EQ(CREATE(), -EBADF);
}

TEST_F(vm_create, names)
{
	int vm;

	memset(self->arg.name, 0, sizeof(self->arg.name));
	vm = CREATE();
	EXPECT_GE(vm, 0);
	close(vm);

	memset(self->arg.name, 'x', sizeof(self->arg.name));
	EXPECT_EQ(CREATE(), -EINVAL);
	self->arg.name[31] = 0;
	vm = CREATE();
	EXPECT_GE(vm, 0);
	close(vm);

	strcpy(self->arg.name, "line\nbreak");
	EXPECT_EQ(CREATE(), -EINVAL);
	strcpy(self->arg.name, "\x7f");
	EXPECT_EQ(CREATE(), -EINVAL);
	strcpy(self->arg.name, "\xc3\xa4");
	EXPECT_EQ(CREATE(), -EINVAL);
}

TEST_F(vm_create, flags_reserved_size)
{
	int vm;

	self->arg.flags = 1;
	EXPECT_EQ(CREATE(), -EINVAL);
	self->arg.flags = 0;
	self->arg.reserved = 1;
	EXPECT_EQ(CREATE(), -EINVAL);
	self->arg.reserved = 0;
	self->arg.reserved2 = 1;
	EXPECT_EQ(CREATE(), -EINVAL);
	self->arg.reserved2 = 0;
	/* The first version of the struct ended with the name. */
	self->arg.size = offsetof(struct vireo_vm_create, vcpus) - 1;
	EXPECT_EQ(CREATE(), -EINVAL);
	self->arg.size++;
	vm = CREATE();
	EXPECT_GE(vm, 0);
	close(vm);
}

TEST_F(vm_create, vcpus)
{
	static const uint32_t good[] = { 0, 1, VIREO_MAX_VCPUS };

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int vm;

		self->arg.vcpus = good[i];
		vm = CREATE();
		EXPECT_GE(vm, 0);
		close(vm);
	}
	self->arg.vcpus = VIREO_MAX_VCPUS + 1;
	EXPECT_EQ(CREATE(), -EINVAL);
}

TEST_F(vm_create, another_address_space)
{
	int status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(CREATE() == -EPERM ? 0 : 1);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

TEST_F(vm_create, no_descriptor_left)
{
	struct rlimit limit = { .rlim_cur = 0, .rlim_max = 4096 };
	char dir[64];

	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	EXPECT_EQ(CREATE(), -EMFILE);
	limit.rlim_cur = 64;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* Undone: no statistics are left of it. */
	EXPECT_FALSE(stats_dir(getpid(), dir, sizeof(dir)));
}

TEST_HARNESS_MAIN
