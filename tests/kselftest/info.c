// SPDX-License-Identifier: GPL-2.0
/* VIREO_INFO, and what is common to all ioctls. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"

FIXTURE(info)
{
	int dev;
};

FIXTURE_SETUP(info)
{
	self->dev = vireo_open();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(info)
{
	close(self->dev);
}

TEST_F(info, fills_everything)
{
	struct vireo_info info = { .size = sizeof(info) };

	ASSERT_EQ(IOCTL(self->dev, VIREO_INFO, &info), 0);
	EXPECT_EQ(info.size, sizeof(info));
	EXPECT_EQ(info.abi, VIREO_ABI_VERSION);
	EXPECT_EQ(info.caps, VIREO_CAP_RULE_SHADOW | VIREO_CAP_RULE_CONST |
				     VIREO_CAP_RULE_POST |
				     VIREO_CAP_RULE_EVENT |
				     VIREO_CAP_RULE_INDEXED |
				     VIREO_CAP_RULE_CLOCK |
				     VIREO_CAP_RULE_CLEAR | VIREO_CAP_STATS |
				     VIREO_CAP_VCPU | VIREO_CAP_MEM |
				     VIREO_CAP_QUEUE_BLK |
				     (info.exit_path == VIREO_EXIT_PATH_BUS ?
					      VIREO_CAP_QUEUE_BELL :
					      0));
	EXPECT_GE(info.max_regions, 64);
	EXPECT_GE(info.max_rules, 16);
	EXPECT_GE(info.max_ring, 1024);
	EXPECT_EQ(info.reserved, 0);
	EXPECT_LT(strnlen(info.version, sizeof(info.version)),
		  sizeof(info.version));
	EXPECT_GT(strlen(info.version), 0);
	EXPECT_LT(strnlen(info.why, sizeof(info.why)), sizeof(info.why));
	EXPECT_GT(strlen(info.why), 0);
}

TEST_F(info, device_is_for_root)
{
	struct stat st;

	ASSERT_EQ(stat("/dev/vireo", &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0660);
	EXPECT_EQ(st.st_uid, 0);
	EXPECT_EQ(st.st_gid, 0);
}

TEST_F(info, short_struct)
{
	/* The first version ended here. */
	const uint32_t first = offsetof(struct vireo_info, queue_features);
	struct vireo_info info = { .size = first - 1, .queue_features = 1 };

	EXPECT_EQ(IOCTL(self->dev, VIREO_INFO, &info), -EINVAL);
	info.size = first;
	EXPECT_EQ(IOCTL(self->dev, VIREO_INFO, &info), 0);
	EXPECT_EQ(info.queue_features, 1);
	info.size = 0;
	EXPECT_EQ(IOCTL(self->dev, VIREO_INFO, &info), -EINVAL);
}

TEST_F(info, longer_struct)
{
	struct {
		struct vireo_info info;
		uint8_t more[64];
	} arg;

	memset(&arg, 0, sizeof(arg));
	arg.info.size = sizeof(arg);
	EXPECT_EQ(IOCTL(self->dev, VIREO_INFO, &arg), 0);
	EXPECT_EQ(arg.info.size, sizeof(arg.info));

	/* What the kernel does not know must be zero. */
	memset(&arg, 0, sizeof(arg));
	arg.info.size = sizeof(arg);
	arg.more[63] = 1;
	EXPECT_EQ(IOCTL(self->dev, VIREO_INFO, &arg), -E2BIG);

	/* A newer caller's number has its own size in it. */
	memset(&arg, 0, sizeof(arg));
	arg.info.size = sizeof(arg);
	EXPECT_EQ(IOCTL(self->dev, _IOWR(VIREO_IOC, 0, arg), &arg), 0);
	EXPECT_EQ(arg.info.abi, VIREO_ABI_VERSION);
}

TEST_F(info, absurd_size)
{
	struct vireo_info info = { .size = 0xffffffff };

	EXPECT_LT(IOCTL(self->dev, VIREO_INFO, &info), 0);
}

TEST_F(info, flags_and_reserved)
{
	struct vireo_info info = { .size = sizeof(info), .flags = 1 };

	EXPECT_EQ(IOCTL(self->dev, VIREO_INFO, &info), -EINVAL);
	info.flags = 0;
	info.reserved = 1;
	EXPECT_EQ(IOCTL(self->dev, VIREO_INFO, &info), -EINVAL);
}

TEST_F(info, bad_pointer)
{
	EXPECT_EQ(IOCTL(self->dev, VIREO_INFO, NULL), -EFAULT);
	EXPECT_EQ(IOCTL(self->dev, VIREO_INFO, (void *)-8UL), -EFAULT);
}

TEST_F(info, unknown_numbers)
{
	struct vireo_info info = { .size = sizeof(info) };
	unsigned int nr;

	for (nr = 3; nr < 256; nr++)
		EXPECT_EQ(IOCTL(self->dev, _IOWR(VIREO_IOC, nr, info), &info),
			  -ENOTTY);
	/* Another type or direction. */
	EXPECT_EQ(IOCTL(self->dev, _IOWR('K', 0, info), &info), -ENOTTY);
	EXPECT_EQ(IOCTL(self->dev, _IO(VIREO_IOC, 0), &info), -ENOTTY);
}

TEST_HARNESS_MAIN
