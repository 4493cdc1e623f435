package main

func Example() {
	main()
	// Output:
	// Ann is asked: It's me, Bob.
	// Bob sees Ann: away, making tea, live
	// Ann reads from Bob: A cup for me, please!
}
