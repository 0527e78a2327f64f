from experiments.canine_rbc_focal.experiment import main

if __name__ == "__main__":
    main()
